// npm oauth4webapi as a client of ours, one deed a run. Standard input: a line of options, then answers to what it asks.
// Standard output: lines of JSON, questions for the person first, {"seen": …} last.
import { request as httpsRequest } from 'node:https';
import { createInterface } from 'node:readline';
import * as oauth from 'oauth4webapi';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => JSON.parse((await lines.next()).value);
const options = await next();

async function ask(what, about = '') {
  process.stdout.write(`${JSON.stringify({ [what]: about })}\n`);
  return next();
}

// --- Who we are.

const CIBA_MODES = { pinged: 'ping' };
const methods = {
  client_secret_basic: () => oauth.ClientSecretBasic(options.secret),
  client_secret_post: () => oauth.ClientSecretPost(options.secret),
  client_secret_jwt: () => oauth.ClientSecretJwt(options.secret),
  private_key_jwt: async () => oauth.PrivateKeyJwt({ key: await signer(), kid: options.jwk.kid }),
  tls_client_auth: () => oauth.TlsClientAuth(),
  self_signed_tls_client_auth: () => oauth.TlsClientAuth(),
  none: () => oauth.None(),
};
const client = {
  client_id: options.client_id,
  id_token_signed_response_alg: 'ES256',
  backchannel_token_delivery_mode: CIBA_MODES[options.client_id],
};
const auth = await (methods[options.client_id] ?? methods.client_secret_basic)();

async function signer() {
  const { alg, kid, ...jwk } = options.jwk;
  return crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']);
}

// Node's own fetch cannot show a certificate.
function withCertificate(url, init) {
  return new Promise((resolve, reject) => {
    const tls = { cert: options.certificate, key: options.certificate_key, ca: options.ca };
    const sent = httpsRequest(url, { ...tls, method: init.method, headers: { ...init.headers } }, async (answer) => {
      const body = (await answer.toArray()).join('');
      resolve(new Response(body, { status: answer.statusCode, headers: answer.headers }));
    });
    sent.on('error', reject);
    sent.end(init.body === undefined ? undefined : String(init.body));
  });
}
const http = options.client_id.includes('tls_client_auth') ? { [oauth.customFetch]: withCertificate } : {};

const issuer = new URL(options.issuer);
const server = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer));

async function code_of(promise) {
  try {
    await promise;
    return 'no refusal';
  } catch (error) {
    if (error.error === undefined) throw error;
    return error.error;
  }
}

// --- What several deeds begin with.

let danced = false;

async function signIn(more = {}) {
  const [verifier, state, nonce] = [
    oauth.generateRandomCodeVerifier(), oauth.generateRandomState(), oauth.generateRandomNonce(),
  ];
  const url = new URL(server.authorization_endpoint);
  url.search = new URLSearchParams({
    client_id: client.client_id, response_type: 'code', redirect_uri: options.redirect_uri, scope: options.scope,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256', state, nonce,
  });
  const callback = oauth.validateAuthResponse(server, client, new URL(await ask('visit', url.href)), state);
  return nonceDance(() => oauth.authorizationCodeGrantRequest(
    server, client, auth, callback, options.redirect_uri, verifier, { ...http, ...more },
  ), (response) => oauth.processAuthorizationCodeResponse(server, client, response, { expectedNonce: nonce }), more);
}

// Sends, and once more with the nonce where proofs are sent (RFC 9449 §8). Verifies signatures too.
async function nonceDance(send, read, { DPoP } = {}) {
  const attempt = async () => {
    const response = await send();
    const tokens = await read(response);
    if (tokens.id_token !== undefined) await oauth.validateApplicationLevelSignature(server, response);
    return tokens;
  };
  try {
    return await attempt();
  } catch (error) {
    if (DPoP === undefined || !oauth.isDPoPNonceError(error)) throw error;
    danced = true;
    return attempt();
  }
}

async function machineToken(parameters = { scope: 'read' }) {
  return oauth.processClientCredentialsResponse(
    server, client, await oauth.clientCredentialsGrantRequest(server, client, auth, parameters, http),
  );
}

async function refreshed(refreshToken, more = {}) {
  return nonceDance(
    () => oauth.refreshTokenGrantRequest(server, client, auth, refreshToken, { ...http, ...more }),
    (response) => oauth.processRefreshTokenResponse(server, client, response), more,
  );
}

async function lookUp(token, more = {}) {
  const response = await oauth.introspectionRequest(server, client, auth, token, { ...http, ...more });
  return oauth.processIntrospectionResponse(server, client, response);
}

async function revoke(token) {
  await oauth.processRevocationResponse(await oauth.revocationRequest(server, client, auth, token, http));
}

async function generic(grantType, parameters) {
  const response = await oauth.genericTokenEndpointRequest(server, client, auth, grantType, parameters, http);
  return oauth.processGenericTokenEndpointResponse(server, client, response);
}

const subjectOf = (tokens) => oauth.getValidatedIdTokenClaims(tokens).sub;

async function decided(parameters) {
  const begun = await oauth.processBackchannelAuthenticationResponse(server, client,
    await oauth.backchannelAuthenticationRequest(
      server, client, auth, { scope: options.scope, login_hint: options.username, ...parameters },
    ));
  await ask('request');
  return begun;
}

async function collected(begun) {
  const response = await oauth.backchannelAuthenticationGrantRequest(server, client, auth, begun.auth_req_id);
  return oauth.processBackchannelAuthenticationGrantResponse(server, client, response);
}

// --- The deeds.

const deeds = {
  async authorization_code() {
    const tokens = await signIn();
    return { subject: subjectOf(tokens), scope: tokens.scope };
  },

  async refresh_token() {
    const tokens = await signIn();
    const successor = await refreshed(tokens.refresh_token);
    return {
      rotated: successor.refresh_token !== tokens.refresh_token,
      spent: await code_of(refreshed(tokens.refresh_token)),
    };
  },

  async client_credentials() {
    const token = await machineToken();
    return { scope: token.scope, token_type: token.token_type };
  },

  async password() {
    const token = await generic('password', { username: options.username, password: options.password, scope: 'read' });
    const wrong = generic('password', { username: options.username, password: 'wrong', scope: 'read' });
    return { scope: token.scope, wrong: await code_of(wrong) };
  },

  async device_code() {
    const begun = await oauth.processDeviceAuthorizationResponse(server, client,
      await oauth.deviceAuthorizationRequest(server, client, auth, { scope: options.scope }));
    const poll = async () => oauth.processDeviceCodeResponse(
      server, client, await oauth.deviceCodeGrantRequest(server, client, auth, begun.device_code),
    );
    const pending = await code_of(poll());
    await ask('device', begun.verification_uri_complete);
    await new Promise((resolve) => setTimeout(resolve, begun.interval * 1000));
    return { pending, subject: subjectOf(await poll()) };
  },

  async ciba_poll() {
    return { subject: subjectOf(await collected(await decided({}))) };
  },

  async ciba_ping() {
    const begun = await decided({ client_notification_token: options.notification_token });
    const told = JSON.parse(await ask('ping'));
    return { told: told.auth_req_id === begun.auth_req_id, subject: subjectOf(await collected(begun)) };
  },

  async jwt_bearer() {
    const encode = (value) => Buffer.from(value).toString('base64url');
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: options.client_id, sub: options.subject, aud: options.issuer, iat: now, exp: now + 60,
      jti: crypto.randomUUID(),
    };
    const data = `${encode(JSON.stringify({ alg: 'ES256', kid: options.jwk.kid }))}.${encode(JSON.stringify(claims))}`;
    const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, await signer(), Buffer.from(data));
    const assertion = `${data}.${encode(new Uint8Array(signature))}`;
    const token = await generic('urn:ietf:params:oauth:grant-type:jwt-bearer', { assertion, scope: 'read' });
    return { scope: token.scope };
  },

  // Of the method that options.client_id names: at the token endpoint, twice, and at the others.
  async authenticate() {
    const [first, second] = [await machineToken(), await machineToken()];
    const { client_id } = await lookUp(first.access_token);
    await revoke(first.access_token);
    return { different: first.access_token !== second.access_token, client_id };
  },

  async none() {
    const tokens = await signIn();
    const successor = await refreshed(tokens.refresh_token);
    return { rotated: successor.refresh_token !== tokens.refresh_token };
  },

  async dpop() {
    const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
    const tokens = await signIn({ DPoP });
    const subject = subjectOf(tokens);
    const response = await oauth.userInfoRequest(server, client, tokens.access_token, { DPoP });
    const person = await oauth.processUserInfoResponse(server, client, subject, response);
    const { cnf } = await lookUp(tokens.access_token);
    const successor = await refreshed(tokens.refresh_token, { DPoP });
    return {
      danced, token_types: [tokens.token_type, successor.token_type], subject: person.sub,
      bound: cnf.jkt === await DPoP.calculateThumbprint(),
    };
  },

  async userinfo() {
    const tokens = await signIn();
    const response = await oauth.userInfoRequest(server, client, tokens.access_token);
    return oauth.processUserInfoResponse(server, client, subjectOf(tokens), response);
  },

  async introspection() {
    const { active, sub, client_id } = await lookUp((await signIn()).access_token);
    return { active, sub, client_id };
  },

  // As the API that the token is for.
  async signed_introspection() {
    const token = await machineTokenOf('client_secret_basic');
    client.introspection_signed_response_alg = 'ES256';
    const response = await oauth.introspectionRequest(server, client, auth, token, { requestJwtResponse: true });
    const { active, aud } = await oauth.processIntrospectionResponse(server, client, response);
    await oauth.validateApplicationLevelSignature(server, response);
    return { active, aud, content_type: response.headers.get('content-type') };
  },

  async revocation() {
    const tokens = await signIn();
    await revoke(tokens.refresh_token);
    return { active: (await lookUp(tokens.access_token)).active };
  },
};

async function machineTokenOf(client_id) {
  const other = { client_id };
  const response = await oauth.clientCredentialsGrantRequest(
    server, other, methods[client_id](), { scope: 'read', resource: options.api },
  );
  return (await oauth.processClientCredentialsResponse(server, other, response)).access_token;
}

const seen = await deeds[options.deed]();
process.stdout.write(`${JSON.stringify({ seen })}\n`, () => process.exit(0));
