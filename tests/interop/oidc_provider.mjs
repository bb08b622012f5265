// npm oidc-provider with one account and plain forms. Takes one JSON argument: port, clients, account, and `nonces`,
// whether DPoP proofs need a nonce.
// Each line it prints is an event: [name, client_id, what it was about].
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import Provider from 'oidc-provider';

const { port, clients, account, nonces = false } = JSON.parse(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;

function signingKey(kind, options, more = {}) {
  return { ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }), use: 'sig', ...more };
}

const provider = new Provider(issuer, {
  clients,
  // One RSA key for RS256 and PS256: which of them it is for stands in each token's header.
  jwks: {
    keys: [
      signingKey('rsa', { modulusLength: 2048 }),
      signingKey('ec', { namedCurve: 'P-256' }),
      signingKey('ed25519', {}),
    ],
  },
  cookies: { keys: ['only for tests'] },
  claims: { profile: ['name'], email: ['email', 'email_verified'] },
  findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ ...account.claims, sub: accountId }) }),
  // Its own refuses to call this machine, where our application is.
  fetch: (url, { dispatcher: _guard, ...options }) => fetch(url, options),
  features: {
    backchannelLogout: { enabled: true },
    devInteractions: { enabled: false },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => nonces },
    encryption: { enabled: true },
    jwtResponseModes: { enabled: true },
    requestObjects: { enabled: true },
    jwtUserinfo: { enabled: true },
    revocation: { enabled: true },
  },
  // Shorter than the time before its end at which a client refreshes: every use of a token is a refresh.
  ttl: { AccessToken: 20, Grant: 600, IdToken: 600, Interaction: 600, RefreshToken: 600, Session: 600 },
  rotateRefreshToken: true,
});

function note(name, clientId, what) {
  console.log(JSON.stringify([name, clientId, what]));
}
provider.on('pushed_authorization_request.success', (ctx, client) => note('pushed', client.clientId, ctx.path));
provider.on('grant.success', (ctx) => note('grant.success', ctx.oidc.client.clientId, ctx.oidc.params.grant_type));
provider.on('grant.error', (ctx, error) => note('grant.error', ctx.oidc.client?.clientId, error.error));
provider.on('refresh_token.consumed', (token) => note('refresh_token.consumed', token.clientId, token.jti));
provider.on('refresh_token.destroyed', (token) => note('refresh_token.destroyed', token.clientId, token.jti));
provider.on('grant.revoked', (ctx) => note('grant.revoked', ctx.oidc.client?.clientId, ctx.path));
provider.on('end_session.success', (ctx) => note('end_session.success', ctx.oidc.client?.clientId, ctx.path));
provider.on('backchannel.success', (_ctx, client, sub) => note('backchannel.success', client.clientId, sub));
provider.on('backchannel.error', (_ctx, error, client) => note('backchannel.error', client.clientId, error.message));
provider.on('server_error', (ctx, error) => note('server_error', ctx.oidc?.client?.clientId, error.stack));

const pages = {
  login: '<input name="username"><input name="password" type="password"><button id="login-submit">Sign in</button>',
  consent: '<button id="consent-allow" name="action" value="allow">Allow</button>'
    + '<button id="consent-deny" name="action" value="deny">Deny</button>',
};

async function interact(req, res) {
  const { prompt, params, grantId, session } = await provider.interactionDetails(req, res);
  if (req.method === 'GET') {
    res.setHeader('content-type', 'text/html; charset=utf-8');
    res.end(`<!doctype html><title>${prompt.name}</title><form method="post">${pages[prompt.name]}</form>`);
    return;
  }
  const form = new URLSearchParams((await req.toArray()).join(''));
  await provider.interactionFinished(req, res, await answer(form, prompt, params, grantId, session));
}

async function answer(form, prompt, params, grantId, session) {
  if (prompt.name === 'login') {
    const right = form.get('username') === account.username && form.get('password') === account.password;
    return right ? { login: { accountId: account.sub } } : { error: 'access_denied', error_description: 'wrong' };
  }
  if (form.get('action') !== 'allow') return { error: 'access_denied', error_description: 'the user said no' };
  const { Grant } = provider;
  const grant = (grantId && (await Grant.find(grantId)))
    || new Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  return { consent: { grantId: await grant.save() } };
}

const others = provider.callback();
createServer((req, res) => {
  if (!req.url.startsWith('/interaction/')) return others(req, res);
  return interact(req, res).catch((error) => {
    note('server_error', null, error.stack);
    res.statusCode = 500;
    res.end();
  });
}).listen(port, '127.0.0.1');
