// An OpenID provider that nobody here wrote, with two sample people. Its own sample pages sign
// anybody in by name.
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const [redirect, secret] = process.argv.slice(2);
const people = {
  amina: { email: 'amina@example.org', email_verified: true },
  boris: { email: 'amina@example.org', email_verified: false },
};
const server = createServer();
server.listen(0, '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [{ client_id: 'bridge', client_secret: secret, redirect_uris: [redirect] }],
    claims: { email: ['email', 'email_verified'] },
    conformIdTokenClaims: false,
    cookies: { keys: ['sample'] },
    features: { devInteractions: { enabled: true } },
    pkce: { required: () => true },
    findAccount: (_, sub) => ({ accountId: sub, claims: async () => ({ sub, ...people[sub] }) }),
  });
  server.on('request', provider.callback());
  console.log(JSON.stringify({ address: issuer }));
});
