// ltijs as a tool, for the tests: in memory, on 127.0.0.1, one line of JSON when it is ready.
// What a launch brings, and what the services answer, it tells as JSON.
'use strict'

const { Provider: lti } = require('ltijs')

class Memory {
  constructor () { this.rows = {} }
  async setup () { return true }
  async Close () { return true }
  _found (collection, query) {
    const rows = this.rows[collection] || []
    const asked = Object.entries(query || {})
    return rows.filter(row => asked.every(([name, value]) => row[name] === value))
  }
  async Get (key, collection, query) {
    const found = this._found(collection, query)
    return found.length ? found.map(row => ({ ...row })) : false
  }
  async Insert (key, collection, item, index) {
    (this.rows[collection] = this.rows[collection] || [])
      .push({ ...index, ...item, createdAt: Date.now() })
    return true
  }
  async Replace (key, collection, query, item, index) {
    await this.Delete(collection, query)
    return this.Insert(key, collection, item, index)
  }
  async Modify (key, collection, query, change) {
    this._found(collection, query).forEach(row => Object.assign(row, change))
    return true
  }
  async Delete (collection, query) {
    const gone = this._found(collection, query)
    this.rows[collection] = (this.rows[collection] || []).filter(row => !gone.includes(row))
    return true
  }
}

const port = Number(process.argv[2])
const address = `http://127.0.0.1:${port}`

lti.setup('a key of the tests', { plugin: new Memory() }, {
  dynRegRoute: '/register',
  dynReg: {
    url: address,
    name: 'ltijs',
    redirectUris: [`${address}/launch`],
    customParameters: { offering: '$Context.id' },
    autoActivate: true,
    useDeepLinking: true
  }
})

async function attempt (call) {
  try { return { value: await call() } } catch (error) { return { error: String(error.message || error) } }
}

lti.onConnect(async (token, req, res) => {
  const told = { user: token.user, userInfo: token.userInfo, context: token.platformContext }
  told.members = await attempt(() => lti.NamesAndRoles.getMembers(token))
  told.paged = await attempt(() => lti.NamesAndRoles.getMembers(token, { limit: 1, pages: false }))
  told.lineItems = await attempt(() => lti.Grade.getLineItems(token))
  told.made = await attempt(() => lti.Grade.createLineItem(token, { label: 'Quiz', scoreMaximum: 10, tag: 'quiz' }))
  const endpoint = token.platformContext.endpoint || {}
  told.score = await attempt(() => lti.Grade.submitScore(token, endpoint.lineitem, {
    userId: token.user,
    scoreGiven: 0,
    scoreMaximum: 10,
    activityProgress: 'Completed',
    gradingProgress: 'FullyGraded'
  }))
  told.scores = await attempt(() => lti.Grade.getScores(token, endpoint.lineitem, { userId: token.user }))
  return res.json(told)
})

lti.onDeepLinking(async (token, req, res) => {
  const items = [{
    type: 'ltiResourceLink',
    title: 'Unit 1 & more',
    url: `${address}/launch`,
    custom: { unit: '1' },
    lineItem: { scoreMaximum: 10, label: 'Unit 1' }
  }]
  return res.send(await lti.DeepLinking.createDeepLinkingForm(token, items, { message: 'chosen' }))
})

async function main () {
  await lti.deploy({ serverless: true, silent: true })
  lti.app.listen(port, '127.0.0.1', () => console.log(JSON.stringify({ address })))
}

main().catch(error => { console.error(error); process.exit(1) })
