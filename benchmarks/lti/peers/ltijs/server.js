// A tool on ltijs, in memory, on 127.0.0.1.
'use strict'

const { Provider: lti } = require('ltijs')

const platform = JSON.parse(process.env.PLATFORM)
const port = Number(process.env.PORT)

// What ltijs needs of a database; each collection is found by the whole query.
class Memory {
  constructor () { this.rows = new Map() }
  async setup () { return true }
  async Close () { return true }

  // Logins and nonces are found by one value, at once: there may be many of them.
  place (collection, row) { return `${collection}:${row.state || row.nonce || ''}` }

  found (collection, query) {
    const rows = this.rows.get(this.place(collection, query || {})) || []
    const asked = Object.entries(query || {})
    return rows.filter(row => asked.every(([name, value]) => row[name] === value))
  }

  async Get (key, collection, query) {
    const found = this.found(collection, query)
    return found.length ? found.map(row => ({ ...row })) : false
  }

  async Insert (key, collection, item, index) {
    const row = { ...index, ...item, createdAt: Date.now() }
    const place = this.place(collection, row)
    this.rows.set(place, [...(this.rows.get(place) || []), row])
    return true
  }

  async Replace (key, collection, query, item, index) {
    await this.Delete(collection, query)
    return this.Insert(key, collection, item, index)
  }

  async Modify (key, collection, query, change) {
    this.found(collection, query).forEach(row => Object.assign(row, change))
    return true
  }

  async Delete (collection, query) {
    const place = this.place(collection, query || {})
    const gone = this.found(collection, query)
    const left = (this.rows.get(place) || []).filter(row => !gone.includes(row))
    if (left.length) this.rows.set(place, left)
    else this.rows.delete(place)
    return true
  }
}

lti.setup('a key of the benchmarks', { plugin: new Memory() }, {
  appRoute: '/launch',
  loginRoute: '/login'
})

lti.onConnect(async (token, request, response) => {
  const course = token.platformContext.context.title
  return response.send(`<!doctype html><title>Arrived</title><p>${course.replaceAll('<', '&lt;')}`)
})

async function main () {
  await lti.deploy({ serverless: true, silent: true })
  await lti.registerPlatform({
    url: platform.issuer,
    name: 'The benchmarks',
    clientId: platform.client_id,
    authenticationEndpoint: platform.authorization,
    accesstokenEndpoint: platform.authorization,
    authConfig: { method: 'JWK_SET', key: platform.keys }
  })
  lti.app.listen(port, '127.0.0.1')
}

main().catch(error => { console.error(error); process.exit(1) })
