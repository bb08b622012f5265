// npm oauth4webapi as a client that binds its tokens (RFC 9449), nonces and all, as the API that takes them, and as a
// reader of signed introspection (RFC 9701). Takes one JSON argument, prints one JSON line: what it saw.
import * as oauth from 'oauth4webapi';

const options = JSON.parse(process.argv[2]);
const insecure = { [oauth.allowInsecureRequests]: true };
const seen = {};

const issuer = new URL(options.issuer);
const server = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
);
seen.algorithms = server.dpop_signing_alg_values_supported;

const client = { client_id: 'machine' };
const keys = await oauth.generateKeyPair('ES256');
const DPoP = oauth.DPoP(client, keys);

async function token(dpop) {
  const answer = await oauth.clientCredentialsGrantRequest(
    server, client, oauth.ClientSecretBasic(options.secret), { scope: 'read' }, { DPoP: dpop, ...insecure },
  );
  return oauth.processClientCredentialsResponse(server, client, answer);
}

// --- Without a proof, and without a nonce.

try {
  await token(undefined);
} catch (error) {
  seen.without_proof = [error.status, error.error];
}
let granted;
try {
  await token(DPoP);
} catch (error) {
  seen.without_nonce = [error.status, error.error, oauth.isDPoPNonceError(error)];
  granted = await token(DPoP);
}
seen.token_type = granted.token_type;

// --- At an API: the token, and a proof that oauth4webapi makes and checks itself.

let shown;
await oauth.protectedResourceRequest(
  granted.access_token, 'GET', new URL(options.api), new Headers(), null,
  {
    DPoP,
    [oauth.customFetch]: async (url, init) => {
      shown = new Request(url, { method: init.method, headers: init.headers });
      return new Response('{}', { status: 200 });
    },
  },
);
const claims = await oauth.validateJwtAccessToken(
  server, shown, options.api, { requireDPoP: true, ...insecure },
);
seen.jkt = [claims.cnf.jkt === await DPoP.calculateThumbprint(), claims.aud];

// --- Signed introspection.

const api = { client_id: 'api', introspection_signed_response_alg: 'ES256' };
const answer = await oauth.introspectionRequest(
  server, api, oauth.ClientSecretBasic(options.secret), granted.access_token, { requestJwtResponse: true, ...insecure },
);
seen.content_type = answer.headers.get('content-type');
const about = await oauth.processIntrospectionResponse(server, api, answer);
await oauth.validateApplicationLevelSignature(server, answer, insecure);
seen.looked_up = { active: about.active, token_type: about.token_type, same_key: about.cnf.jkt === claims.cnf.jkt };

console.log(JSON.stringify(seen));
