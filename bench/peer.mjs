// The other side of the benchmark: npm oidc-provider with an in-memory store, in one process.
//
//   node peer.mjs --port 9101 --limit 60000
//
// Codes and tokens are made by its own models on request, as in bench/server.py: a line "kind client_id count file"
// on standard input. Rotation of refresh tokens and PKCE are on, clients use client_secret_basic.
import { Console } from 'node:console';
import { createHash, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';

import Provider from 'oidc-provider';

// Standard output is for the answers below; what the provider has to say goes to its log.
globalThis.console = new Console(process.stderr);

const { values: options } = parseArgs({
  options: {
    port: { type: 'string' },
    limit: { type: 'string' },
    secret: { type: 'string' },
    callback: { type: 'string' },
    verifier: { type: 'string' },
    scope: { type: 'string' },
    resources: { type: 'string' },
    jwk: { type: 'string' },
  },
});
const limit = Number(options.limit);

/** A map that forgets its oldest entry beyond the limit, in constant time: a ring remembers the order of arrival. */
class BoundedMap {
  #map = new Map();
  #ring = new Array(limit);
  #next = 0;

  get(key) {
    return this.#map.get(key);
  }

  set(key, value) {
    if (!this.#map.has(key)) {
      const oldest = this.#ring[this.#next];
      if (oldest !== undefined) this.#map.delete(oldest);
      this.#ring[this.#next] = key;
      this.#next = (this.#next + 1) % limit;
    }
    this.#map.set(key, value);
  }

  delete(key) {
    this.#map.delete(key);
  }

  clear() {
    this.#map.clear();
    this.#ring.fill(undefined);
    this.#next = 0;
  }
}

const entries = new BoundedMap();
const ofGrant = new BoundedMap();

class MemoryAdapter {
  constructor(model) {
    this.prefix = `${model}:`;
  }

  async upsert(id, payload) {
    const key = this.prefix + id;
    entries.set(key, payload);
    if (payload.grantId !== undefined) {
      const keys = ofGrant.get(payload.grantId);
      if (keys === undefined) ofGrant.set(payload.grantId, [key]);
      else if (keys.length < 64) keys.push(key);
    }
    if (payload.uid !== undefined) entries.set(`uid:${payload.uid}`, id);
    if (payload.userCode !== undefined) entries.set(`user-code:${payload.userCode}`, id);
  }

  async find(id) {
    return entries.get(this.prefix + id);
  }

  async findByUid(uid) {
    return this.find(entries.get(`uid:${uid}`));
  }

  async findByUserCode(code) {
    return this.find(entries.get(`user-code:${code}`));
  }

  async consume(id) {
    const payload = entries.get(this.prefix + id);
    if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    entries.delete(this.prefix + id);
  }

  async revokeByGrantId(grantId) {
    for (const key of ofGrant.get(grantId) ?? []) entries.delete(key);
    ofGrant.delete(grantId);
  }
}

const jwk = (kind, parameters) => generateKeyPairSync(kind, parameters).privateKey.export({ format: 'jwk' });
const resources = new Map(options.resources.split(',').map((pair) => pair.split('=')));

const machine = { client_secret: options.secret, token_endpoint_auth_method: 'client_secret_basic' };
const service = { ...machine, grant_types: ['client_credentials'], redirect_uris: [], response_types: [] };
const provider = new Provider(`http://127.0.0.1:${options.port}`, {
  adapter: MemoryAdapter,
  clients: [
    { ...service, client_id: 'service' },
    { ...service, client_id: 'service-jwt' },
    {
      ...service,
      client_id: 'signer',
      client_secret: undefined,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [{ ...JSON.parse(options.jwk), use: 'sig' }] },
    },
    {
      ...machine,
      client_id: 'tv',
      redirect_uris: [],
      response_types: [],
      grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    },
    {
      ...machine,
      client_id: 'web',
      redirect_uris: [options.callback],
      response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'],
      id_token_signed_response_alg: 'ES256',
    },
    {
      ...machine,
      client_id: 'web-jwt',
      redirect_uris: [options.callback],
      response_types: ['code'],
      grant_types: ['authorization_code', 'refresh_token'],
      id_token_signed_response_alg: 'ES256',
    },
  ],
  jwks: {
    keys: [
      { ...jwk('ec', { namedCurve: 'P-256' }), use: 'sig', alg: 'ES256' },
      { ...jwk('rsa', { modulusLength: 2048 }), use: 'sig', alg: 'RS256' },
    ],
  },
  cookies: { keys: ['only-for-the-benchmark'] },
  scopes: ['openid', 'offline_access', 'profile', 'email', options.scope],
  claims: {
    openid: ['sub'],
    profile: ['name', 'given_name', 'family_name'],
    email: ['email', 'email_verified'],
  },
  async findAccount(_context, accountId) {
    return {
      accountId,
      async claims() {
        return {
          sub: accountId,
          name: 'Alice Example',
          given_name: 'Alice',
          family_name: 'Example',
          email: 'alice@example.com',
          email_verified: true,
        };
      },
    };
  },
  pkce: { required: () => true },
  rotateRefreshToken: true,
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    deviceFlow: { enabled: true },
    dPoP: { enabled: true },
    introspection: {
      enabled: true,
      allowedPolicy: (_context, client, token) => token.clientId === client.clientId,
    },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      async getResourceServerInfo(_context, uri) {
        const alg = resources.get(uri);
        return {
          scope: options.scope, audience: uri, accessTokenFormat: 'jwt', accessTokenTTL: 3600, jwt: { sign: { alg } },
        };
      },
    },
  },
  interactions: { url: () => '/nobody-signs-in-here' },
  ttl: {
    AccessToken: 3600,
    AuthorizationCode: 600,
    ClientCredentials: 3600,
    DeviceCode: 600,
    Grant: 86400,
    IdToken: 3600,
    Interaction: 600,
    RefreshToken: 86400,
    Session: 86400,
  },
});
provider.on('server_error', (_context, error) => console.error(error));

const challenge = createHash('sha256').update(options.verifier).digest('base64url');
const userScope = 'openid profile email';
// What makes its access tokens JWTs, as our default has them: a resource that was granted and is asked for.
const jwtResource = [...resources].find(([, alg]) => alg === 'ES256')[0];

let userCodes = 0;

async function value(kind, client) {
  const now = Math.floor(Date.now() / 1000);
  if (kind === 'device_code') {
    const params = { client_id: client.clientId, scope: `${userScope} offline_access` };
    userCodes += 1;
    return new provider.DeviceCode({ client, params, userCode: `BCDF${userCodes}`, deviceInfo: {} }).save();
  }
  const grant = new provider.Grant({ clientId: client.clientId, accountId: 'u-alice' });
  grant.addOIDCScope(`${userScope} offline_access`);
  const jwt = client.clientId === 'web-jwt';
  if (jwt) grant.addResourceScope(jwtResource, options.scope);
  const scope = jwt ? `${userScope} ${options.scope}` : userScope;
  const common = {
    client,
    accountId: 'u-alice',
    grantId: await grant.save(),
    gty: 'authorization_code',
    claims: {},
    expiresWithSession: false,
    ...(jwt ? { resource: jwtResource } : {}),
  };
  if (kind === 'authorization_code') {
    const code = {
      scope,
      redirectUri: options.callback,
      authTime: now,
      nonce: 'n-0S6_WzA2Mj',
      codeChallenge: challenge,
      codeChallengeMethod: 'S256',
    };
    return new provider.AuthorizationCode({ ...common, ...code }).save();
  }
  if (kind === 'refresh_token') {
    const refresh = { scope: `${scope} offline_access`, authTime: now, nonce: 'n-0S6_WzA2Mj', iiat: now, rotations: 0 };
    return new provider.RefreshToken({ ...common, ...refresh }).save();
  }
  return new provider.AccessToken({ ...common, scope: userScope }).save();
}

provider.listen(Number(options.port), '127.0.0.1');

// What earlier rounds left behind goes first, so that every round starts with the same heap.
for await (const line of createInterface({ input: process.stdin })) {
  const [kind, clientId, count, file] = line.split(' ');
  entries.clear();
  ofGrant.clear();
  const client = await provider.Client.find(clientId);
  const values = [];
  for (let made = 0; made < Number(count); made += 1) values.push(await value(kind, client));
  writeFileSync(file, `${values.join('\n')}\n`);
  process.stdout.write('done\n');
}
process.exit(0);
