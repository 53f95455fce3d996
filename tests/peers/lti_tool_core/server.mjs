// A tool on @lti-tool/core and Express, in memory, on 127.0.0.1: one line of JSON when it listens.
// What a launch brings, and what the services answer, it shows as JSON.
import { register } from 'node:module'

import express from 'express'

register('./hook.mjs', import.meta.url)
const { LTITool } = await import('@lti-tool/core')

const port = Number(process.env.PORT || 0)
const launches = new Map()

class Memory {
  clients = new Map()
  nonces = new Map()
  registrations = new Map()
  sessions = new Map()

  async addClient (client) {
    const id = crypto.randomUUID()
    this.clients.set(id, { ...client, id })
    return id
  }

  async addDeployment (id, { deploymentId }) {
    const { iss, clientId, authUrl, tokenUrl, jwksUrl } = this.clients.get(id)
    await this.saveLaunchConfig({ iss, clientId, deploymentId, authUrl, tokenUrl, jwksUrl })
    return id
  }

  place (...names) { return names.join(' ') }

  async saveLaunchConfig (launch) {
    launches.set(this.place(launch.iss, launch.clientId, launch.deploymentId), launch)
  }

  async getLaunchConfig (...names) { return launches.get(this.place(...names)) }

  async storeNonce (nonce, expiresAt) { this.nonces.set(nonce, expiresAt) }

  async validateNonce (nonce) {
    const until = this.nonces.get(nonce)
    this.nonces.delete(nonce)
    return until !== undefined && until > new Date()
  }

  async addSession (session) {
    this.sessions.set(session.id, session)
    return session.id
  }

  async getSession (id) { return this.sessions.get(id) }

  async setRegistrationSession (id, session) { this.registrations.set(id, session) }

  async getRegistrationSession (id) { return this.registrations.get(id) }

  async deleteRegistrationSession (id) { this.registrations.delete(id) }
}

const keyPair = await crypto.subtle.generateKey(
  { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
  true,
  ['sign', 'verify']
)
const storage = new Memory()
const app = express()
app.use(express.urlencoded({ extended: false }))
const server = app.listen(port, '127.0.0.1', serve)

function serve () {
  const address = `http://127.0.0.1:${server.address().port}`
  const tool = new LTITool({
    stateSecret: crypto.getRandomValues(new Uint8Array(32)),
    keyPair,
    storage,
    dynamicRegistration: {
      url: address,
      name: '@lti-tool/core',
      loginUri: `${address}/login`,
      launchUri: `${address}/launch`,
      jwksUri: `${address}/keys`,
      deepLinkingUri: `${address}/launch`
    }
  })
  addLaunches(tool, address)
  addServices(tool)
  addRegistration(tool)
  app.get('/keys', async (request, response) => response.json(await tool.getJWKS()))
  console.log(JSON.stringify({ address }))
}

function addLaunches (tool, address) {
  const login = async (given, response) => {
    response.redirect(await tool.handleLogin({ ...given, launchUrl: `${address}/launch` }))
  }
  app.get('/login', (request, response) => login(request.query, response))
  app.post('/login', (request, response) => login(request.body, response))

  app.post('/launch', async (request, response) => {
    const claims = await tool.verifyLaunch(request.body.id_token, request.body.state)
    const session = await tool.createSession(claims)
    if (!session.isDeepLinkingAvailable) {
      const { id, user, context, customParameters } = session
      return response.json({ id, user, context, customParameters })
    }
    response.send(await tool.createDeepLinkingResponse(session, [{
      type: 'ltiResourceLink',
      title: 'Unit 1 & more',
      url: `${address}/launch`,
      custom: { unit: '1' },
      lineItem: { scoreMaximum: 10, label: 'Unit 1' }
    }]))
  })
}

async function attempt (call) {
  try { return { value: await call() } } catch (error) { return { error: String(error.message || error) } }
}

function addServices (tool) {
  app.get('/services/:session', async (request, response) => {
    const session = await tool.getSession(request.params.session)
    const told = {}
    told.members = await attempt(() => tool.getMembers(session))
    told.items = await attempt(() => tool.listLineItems(session))
    told.item = await attempt(() => tool.getLineItem(session))
    told.made = await attempt(() => tool.createLineItem(session, { label: 'Quiz', scoreMaximum: 10, tag: 'quiz' }))
    told.changed = await attempt(() => tool.updateLineItem(session, { label: 'Result', scoreMaximum: 20 }))
    told.score = await attempt(() => tool.submitScore(session, {
      userId: session.user.id,
      scoreGiven: 0,
      scoreMaximum: 20,
      activityProgress: 'Completed',
      gradingProgress: 'FullyGraded'
    }))
    told.scores = await attempt(() => tool.getScores(session))
    response.json(told)
  })
}

function addRegistration (tool) {
  app.get('/register', async (request, response) => {
    response.send(await tool.initiateDynamicRegistration(request.query, '/register'))
  })
  app.post('/register/complete', async (request, response) => {
    const services = [request.body.services].flat().filter(Boolean)
    response.send(await tool.completeDynamicRegistration({ ...request.body, services }))
  })
}

if (process.env.PLATFORM) {
  const platform = JSON.parse(process.env.PLATFORM)
  await storage.saveLaunchConfig({
    iss: platform.issuer,
    clientId: platform.client_id,
    deploymentId: platform.deployment,
    authUrl: platform.authorization,
    tokenUrl: platform.authorization,
    jwksUrl: platform.keys
  })
}
