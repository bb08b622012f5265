// npm oauth4webapi, a strict reader of what a server sends: as a machine that gets tokens of ours, and as the API
// that is shown them. Takes one JSON argument, prints one JSON line: what it saw.
import * as oauth from 'oauth4webapi';

const options = JSON.parse(process.argv[2]);
const insecure = { [oauth.allowInsecureRequests]: true };
const seen = {};

// What `promise` was refused with: the status and code of an OAuth error, or the reader's own code.
async function refusal(promise) {
  try {
    await promise;
    return 'no refusal';
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError) return [error.status, error.error];
    if (error instanceof oauth.WWWAuthenticateChallengeError) {
      return [error.status, error.cause.map(({ scheme }) => scheme)];
    }
    return error.code ?? error.stack;
  }
}

// --- Discovery, as an OAuth server (RFC 8414).

const issuer = new URL(options.issuer);
const server = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
);

// --- Client credentials (RFC 6749 §4.4, RFC 8707).

async function token(clientId, parameters, secret = options.secret) {
  const client = { client_id: clientId };
  const answer = await oauth.clientCredentialsGrantRequest(
    server, client, oauth.ClientSecretBasic(secret), parameters, insecure,
  );
  return oauth.processClientCredentialsResponse(server, client, answer);
}

const granted = await token('machine', { scope: 'read', resource: options.api });
seen.granted = { members: Object.keys(granted).sort(), scope: granted.scope };
seen.refused = {
  secret: await refusal(token('machine', { scope: 'read' }, 'wrong')),
  client: await refusal(token('nobody', { scope: 'read' })),
  scope: await refusal(token('machine', { scope: 'read delete' })),
  resource: await refusal(token('machine', { scope: 'read', resource: 'https://elsewhere.example' })),
  grant: await refusal(token('basic', { scope: 'openid' })),
};

// --- A JWT access token, shown to an API (RFC 6750, RFC 9068).

function show(accessToken, audience) {
  const request = new Request(options.api, { headers: { authorization: `Bearer ${accessToken}` } });
  return oauth.validateJwtAccessToken(server, request, audience, insecure);
}

seen.claims = await show(granted.access_token, options.api);
seen.at_the_wrong_api = await refusal(show(granted.access_token, options.other_api));

// --- An opaque one, looked up (RFC 7662).

async function lookUp(clientId, accessToken) {
  const client = { client_id: clientId };
  const answer = await oauth.introspectionRequest(
    server, client, oauth.ClientSecretBasic(options.secret), accessToken, insecure,
  );
  return oauth.processIntrospectionResponse(server, client, answer);
}

const opaque = await token('opaque-machine', { resource: options.api });
seen.looked_up = await lookUp('api', opaque.access_token);
seen.looked_up_by_a_stranger = await lookUp('basic', opaque.access_token);

// --- Revoked (RFC 7009).

const owner = { client_id: 'opaque-machine' };
await oauth.processRevocationResponse(
  await oauth.revocationRequest(server, owner, oauth.ClientSecretBasic(options.secret), opaque.access_token, insecure),
);
seen.looked_up_after_revocation = await lookUp('api', opaque.access_token);

console.log(JSON.stringify(seen));
