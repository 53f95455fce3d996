// A tool on @lti-tool/core and Express, in memory, on 127.0.0.1.
import { register } from 'node:module'

import express from 'express'

register('./hook.mjs', import.meta.url)
const { LTITool } = await import('@lti-tool/core')

const platform = JSON.parse(process.env.PLATFORM)
const port = Number(process.env.PORT)
const address = `http://127.0.0.1:${port}`

class Memory {
  nonces = new Map()
  sessions = new Map()

  async getLaunchConfig (iss, clientId, deploymentId) {
    const known = iss === platform.issuer && clientId === platform.client_id &&
      deploymentId === platform.deployment
    return known
      ? {
          iss,
          clientId,
          deploymentId,
          authUrl: platform.authorization,
          tokenUrl: platform.authorization,
          jwksUrl: platform.keys
        }
      : undefined
  }

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
}

const keyPair = await crypto.subtle.generateKey(
  { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
  true,
  ['sign', 'verify']
)
const tool = new LTITool({
  stateSecret: crypto.getRandomValues(new Uint8Array(32)),
  keyPair,
  storage: new Memory()
})

const app = express()
app.use(express.urlencoded({ extended: false }))

app.post('/login', async (request, response) => {
  response.redirect(await tool.handleLogin({ ...request.body, launchUrl: `${address}/launch` }))
})

app.post('/launch', async (request, response) => {
  const claims = await tool.verifyLaunch(request.body.id_token, request.body.state)
  await tool.createSession(claims)
  const course = claims['https://purl.imsglobal.org/spec/lti/claim/context'].title
  response.send(`<!doctype html><title>Arrived</title><p>${course.replaceAll('<', '&lt;')}`)
})

app.listen(port, '127.0.0.1')
