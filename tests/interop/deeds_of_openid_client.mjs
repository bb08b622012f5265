// npm openid-client as a client of ours, one deed a run. Standard input: a line of options, then answers to what it asks.
// Standard output: lines of JSON, questions for the person first, {"seen": …} last.
import { request as httpsRequest } from 'node:https';
import { createInterface } from 'node:readline';
import * as client from 'openid-client';

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
  client_secret_basic: () => client.ClientSecretBasic(options.secret),
  client_secret_post: () => client.ClientSecretPost(options.secret),
  client_secret_jwt: () => client.ClientSecretJwt(options.secret),
  private_key_jwt: async () => client.PrivateKeyJwt({ key: await signer(), kid: options.jwk.kid }),
  tls_client_auth: () => client.TlsClientAuth(),
  self_signed_tls_client_auth: () => client.TlsClientAuth(),
  none: () => client.None(),
};

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
    sent.end(init.body === undefined || init.body === null ? undefined : String(init.body));
  });
}

async function configured(clientId, metadata = {}) {
  return client.discovery(
    new URL(options.issuer),
    clientId,
    { id_token_signed_response_alg: 'ES256', ...metadata },
    await (methods[clientId] ?? methods.client_secret_basic)(),
    {
      // Signatures are verified although tokens come straight from the token endpoint.
      execute: [client.enableNonRepudiationChecks],
      ...(clientId.includes('tls_client_auth') && { [client.customFetch]: withCertificate }),
    },
  );
}
const configuration = await configured(options.client_id, {
  backchannel_token_delivery_mode: CIBA_MODES[options.client_id],
});

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

async function signIn(more) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const [expectedState, expectedNonce] = [client.randomState(), client.randomNonce()];
  const url = client.buildAuthorizationUrl(configuration, {
    redirect_uri: options.redirect_uri,
    scope: options.scope,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
  });
  const callback = new URL(await ask('visit', url.href));
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
  return client.authorizationCodeGrant(configuration, callback, checks, undefined, more);
}

const machineToken = () => client.clientCredentialsGrant(configuration, { scope: 'read' });

async function decided(parameters) {
  const begun = await client.initiateBackchannelAuthentication(
    configuration, { scope: options.scope, login_hint: options.username, ...parameters },
  );
  await ask('request');
  // She was quicker than the interval, and the first poll may come at any time.
  return { ...begun, interval: 0.1 };
}

const collected = async (begun) => (await client.pollBackchannelAuthenticationGrant(configuration, begun)).claims().sub;

// --- The deeds.

const deeds = {
  async authorization_code() {
    const tokens = await signIn();
    return { subject: tokens.claims().sub, scope: tokens.scope };
  },

  async refresh_token() {
    const tokens = await signIn();
    const successor = await client.refreshTokenGrant(configuration, tokens.refresh_token);
    return {
      rotated: successor.refresh_token !== tokens.refresh_token,
      spent: await code_of(client.refreshTokenGrant(configuration, tokens.refresh_token)),
    };
  },

  async client_credentials() {
    const token = await machineToken();
    return { scope: token.scope, token_type: token.token_type };
  },

  async password() {
    const { username, password } = options;
    const token = await client.genericGrantRequest(configuration, 'password', { username, password, scope: 'read' });
    const wrong = client.genericGrantRequest(configuration, 'password', { username, password: 'wrong', scope: 'read' });
    return { scope: token.scope, wrong: await code_of(wrong) };
  },

  // It waits for the interval, is told that the request is pending, and waits once more.
  async device_code() {
    const begun = await client.initiateDeviceAuthorization(configuration, { scope: options.scope });
    const tokens = client.pollDeviceAuthorizationGrant(configuration, begun);
    await new Promise((resolve) => setTimeout(resolve, (begun.interval + 1) * 1000));
    await ask('device', begun.verification_uri_complete);
    return { subject: (await tokens).claims().sub };
  },

  async ciba_poll() {
    return { subject: await collected(await decided({})) };
  },

  async ciba_ping() {
    const begun = await decided({ client_notification_token: options.notification_token });
    const told = JSON.parse(await ask('ping'));
    return { told: told.auth_req_id === begun.auth_req_id, subject: await collected(begun) };
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
    const token = await client.genericGrantRequest(
      configuration, 'urn:ietf:params:oauth:grant-type:jwt-bearer', { assertion, scope: 'read' },
    );
    return { scope: token.scope };
  },

  // Of the method that options.client_id names: at the token endpoint, twice, and at the others.
  async authenticate() {
    const [first, second] = [await machineToken(), await machineToken()];
    const { client_id } = await client.tokenIntrospection(configuration, first.access_token);
    await client.tokenRevocation(configuration, first.access_token);
    return { different: first.access_token !== second.access_token, client_id };
  },

  async none() {
    const tokens = await signIn();
    const successor = await client.refreshTokenGrant(configuration, tokens.refresh_token);
    return { rotated: successor.refresh_token !== tokens.refresh_token };
  },

  // It keeps nonces and tries again with them by itself.
  async dpop() {
    const DPoP = client.getDPoPHandle(configuration, await client.randomDPoPKeyPair('ES256'));
    const tokens = await signIn({ DPoP });
    const subject = tokens.claims().sub;
    const person = await client.fetchUserInfo(configuration, tokens.access_token, subject, { DPoP });
    const { cnf } = await client.tokenIntrospection(configuration, tokens.access_token);
    const successor = await client.refreshTokenGrant(configuration, tokens.refresh_token, undefined, { DPoP });
    return {
      token_types: [tokens.token_type, successor.token_type],
      subject: person.sub,
      bound: cnf.jkt === await DPoP.calculateThumbprint(),
    };
  },

  async userinfo() {
    const tokens = await signIn();
    return client.fetchUserInfo(configuration, tokens.access_token, tokens.claims().sub);
  },

  async introspection() {
    const { active, sub, client_id } = await client.tokenIntrospection(configuration, (await signIn()).access_token);
    return { active, sub, client_id };
  },

  // As the API that the token is for.
  async signed_introspection() {
    const other = await configured('client_secret_basic');
    const { access_token } = await client.clientCredentialsGrant(other, { scope: 'read', resource: options.api });
    const signed = await configured('api', { introspection_signed_response_alg: 'ES256' });
    const { active, aud } = await client.tokenIntrospection(signed, access_token);
    return { active, aud };
  },

  async revocation() {
    const tokens = await signIn();
    await client.tokenRevocation(configuration, tokens.refresh_token);
    return { active: (await client.tokenIntrospection(configuration, tokens.access_token)).active };
  },

  async logout() {
    const { id_token } = await signIn();
    const { post_logout_redirect_uri } = options;
    const url = client.buildEndSessionUrl(
      configuration, { id_token_hint: id_token, post_logout_redirect_uri, state: 'bye' },
    );
    return { signed_out_at: await ask('visit', url.href) };
  },
};

const seen = await deeds[options.deed]();
process.stdout.write(`${JSON.stringify({ seen })}\n`, () => process.exit(0));
