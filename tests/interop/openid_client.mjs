// npm openid-client as a relying party of ours. Takes one JSON argument, prints one JSON line: what it saw.
import * as client from 'openid-client';

const options = JSON.parse(process.argv[2]);
const seen = {};

// --- A person with a browser: cookies, redirects and forms, no scripts.

class Browser {
  cookies = new Map();
  // The buttons that were pressed.
  pressed = [];

  // Goes to `url` and on, through the pages of the issuer, until it leaves for another origin.
  async visit(url) {
    let [method, body] = ['GET', undefined];
    for (let step = 0; step < 20; step += 1) {
      if (url.origin !== new URL(options.issuer).origin) return url;
      const response = await this.fetch(url, method, body);
      [method, body] = ['GET', undefined];
      if (response.status === 303) {
        url = new URL(response.headers.get('location'), url);
        continue;
      }
      const page = await response.text();
      if (response.status !== 200) throw new Error(`${url.pathname} answered ${response.status}: ${page}`);
      [url, body] = this.press(page, url);
      method = 'POST';
    }
    throw new Error('the journey has no end');
  }

  async fetch(url, method, body) {
    const cookie = [...this.cookies.values()]
      .filter(({ path }) => url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`))
      .map(({ pair }) => pair)
      .join('; ');
    const headers = { accept: 'text/html', ...(cookie && { cookie }) };
    if (method === 'POST') headers.origin = url.origin;
    const response = await fetch(url, { method, body, headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(/;\s*/);
      const named = Object.fromEntries(attributes.map((text) => [text.split('=')[0].toLowerCase(), text.split('=')[1]]));
      const name = pair.split('=')[0];
      if (named['max-age'] === '0') this.cookies.delete(name);
      else this.cookies.set(name, { pair, path: named.path ?? '/' });
    }
    return response;
  }

  // The address and the body of the form in `page` that we know how to answer.
  press(page, url) {
    const answers = { username: options.username, password: options.password };
    for (const [, attributes, content] of page.matchAll(/<form([^>]*)>(.*?)<\/form>/gs)) {
      const button = ['login-submit', 'consent-allow', 'logout-confirm'].find((id) => content.includes(`id="${id}"`));
      if (button === undefined) continue;
      this.pressed.push(button);
      const body = new URLSearchParams();
      for (const [tag] of content.matchAll(/<input[^>]*>/g)) {
        const name = attribute(tag, 'name');
        body.append(name, answers[name] ?? attribute(tag, 'value') ?? '');
      }
      const tag = content.match(new RegExp(`<button[^>]*id="${button}"[^>]*>`))[0];
      body.append(attribute(tag, 'name'), attribute(tag, 'value'));
      return [new URL(attribute(attributes, 'action'), url), body];
    }
    throw new Error(`no form to answer at ${url.pathname}: ${page}`);
  }
}

function attribute(tag, name) {
  const value = tag.match(new RegExp(`\\s${name}="([^"]*)"`))?.[1];
  const characters = { '&amp;': '&', '&#34;': '"', '&quot;': '"', '&#39;': "'", '&lt;': '<', '&gt;': '>' };
  return value?.replace(/&(amp|#34|quot|#39|lt|gt);/g, (entity) => characters[entity]);
}

// What `promise` was refused with: the OAuth error code, or for a bearer token that of the challenge.
async function refusal(promise) {
  try {
    await promise;
    return 'no refusal';
  } catch (error) {
    if (error instanceof client.WWWAuthenticateChallengeError) return error.cause[0].parameters.error;
    if (error.error === undefined) throw error;
    return error.error;
  }
}

// --- 1. Discovery.

const authentication = {
  client_secret_basic: () => client.ClientSecretBasic(options.secret),
  client_secret_post: () => client.ClientSecretPost(options.secret),
  none: () => client.None(),
}[options.method]();
const configuration = await client.discovery(
  new URL(options.issuer),
  options.client_id,
  { id_token_signed_response_alg: options.algorithm },
  authentication,
  // Non-repudiation: signatures are verified although the ID token comes straight from the token endpoint.
  { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] },
);
seen.issuer = configuration.serverMetadata().issuer;
seen.supports_pkce = configuration.serverMetadata().supportsPKCE();
const plain = await client.discovery(new URL(options.issuer), options.client_id, undefined, authentication, {
  execute: [client.allowInsecureRequests],
  algorithm: 'oauth2',
});
seen.same_metadata = JSON.stringify(plain.serverMetadata()) === JSON.stringify(configuration.serverMetadata());

// --- 2. Code and PKCE.

async function signIn(browser, changes = {}) {
  const verifier = client.randomPKCECodeVerifier();
  const [state, nonce] = [client.randomState(), client.randomNonce()];
  const url = client.buildAuthorizationUrl(configuration, {
    redirect_uri: options.redirect_uri,
    scope: options.scope,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    state,
    nonce,
    ...changes,
  });
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  return [await browser.visit(url), checks];
}

const browser = new Browser();
const [callback, checks] = await signIn(browser, { max_age: '3600' });
seen.pressed = browser.pressed.splice(0);
seen.callback = [...callback.searchParams.keys()].sort();
const tokens = await client.authorizationCodeGrant(configuration, callback, { ...checks, maxAge: 3600 });
seen.tokens = describe(tokens);
seen.claims = tokens.claims();

function describe(response) {
  const { token_type, expires_in, scope } = response;
  return { members: Object.keys(response).sort(), token_type, expires_in, scope };
}

// --- 3. UserInfo, introspection, refresh.

const subject = tokens.claims().sub;
seen.userinfo = await client.fetchUserInfo(configuration, tokens.access_token, subject);
if (options.method !== 'none') {
  const answer = await client.tokenIntrospection(configuration, tokens.access_token);
  seen.introspection = { active: answer.active, sub: answer.sub, client_id: answer.client_id, scope: answer.scope };
}
const refreshed = await client.refreshTokenGrant(configuration, tokens.refresh_token);
seen.refreshed = describe(refreshed);
seen.refreshed_claims = refreshed.claims();
seen.rotated = refreshed.refresh_token !== tokens.refresh_token;
seen.userinfo_after_refresh = await client.fetchUserInfo(configuration, refreshed.access_token, subject);

// --- 4. Revocation takes the refresh token's whole grant along.

await client.tokenRevocation(configuration, refreshed.refresh_token, { token_type_hint: 'refresh_token' });
seen.refresh_after_revocation = await refusal(client.refreshTokenGrant(configuration, refreshed.refresh_token));
if (options.method !== 'none') {
  seen.introspected_after_revocation = await client.tokenIntrospection(configuration, refreshed.access_token);
}

// --- 5. Signing in again needs no form; a code and a rotated refresh token work once.

const [again, moreChecks] = await signIn(browser);
seen.pressed_again = browser.pressed.splice(0);
const second = await client.authorizationCodeGrant(configuration, again, moreChecks);
seen.code_replayed = await refusal(client.authorizationCodeGrant(configuration, again, moreChecks));
seen.userinfo_after_replay = await refusal(client.fetchUserInfo(configuration, second.access_token, subject));
seen.refresh_after_replay = await refusal(client.refreshTokenGrant(configuration, second.refresh_token));

const [third, thirdChecks] = await signIn(browser);
const family = await client.authorizationCodeGrant(configuration, third, thirdChecks);
const successor = await client.refreshTokenGrant(configuration, family.refresh_token);
seen.refresh_reused = await refusal(client.refreshTokenGrant(configuration, family.refresh_token));
seen.successor_after_reuse = await refusal(client.refreshTokenGrant(configuration, successor.refresh_token));

const [fourth, fourthChecks] = await signIn(browser);
const wrong = { ...fourthChecks, pkceCodeVerifier: client.randomPKCECodeVerifier() };
seen.wrong_verifier = await refusal(client.authorizationCodeGrant(configuration, fourth, wrong));

// --- 6. Logout; afterwards nobody is signed in.

const logout = client.buildEndSessionUrl(configuration, {
  id_token_hint: tokens.id_token,
  post_logout_redirect_uri: options.post_logout_redirect_uri,
  state: 'bye',
});
seen.signed_out_at = (await browser.visit(logout)).href;
seen.pressed_at_logout = browser.pressed.splice(0);
const [silent, silentChecks] = await signIn(browser, { prompt: 'none' });
seen.silent_after_logout = await refusal(client.authorizationCodeGrant(configuration, silent, silentChecks));

console.log(JSON.stringify(seen));
