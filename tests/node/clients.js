// Gets tokens with each client library, and has each resource server check them offline. Reads what to use as JSON from
// its input; prints, as JSON, what each library came to.

import { once } from "node:events";
import { text } from "node:stream/consumers";

import express from "express";
import { auth, requiredScopes } from "express-oauth2-jwt-bearer";
import * as jose from "jose";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { ClientCredentials } from "simple-oauth2";

const { issuer, audience, scope, secret, keyed } = JSON.parse(await text(process.stdin));
const insecure = { [oauth.allowInsecureRequests]: true };  // a portal on this very machine is asked over plain http
const server = await oauth.processDiscoveryResponse(
  new URL(issuer),
  await oauth.discoveryRequest(new URL(issuer), { algorithm: "oauth2", ...insecure }),
);

async function byOauth4webapi(id, authentication) {
  const client = { client_id: id };
  const wanted = new URLSearchParams({ scope, resource: audience });
  const answer = await oauth.clientCredentialsGrantRequest(server, client, authentication, wanted, insecure);
  return (await oauth.processClientCredentialsResponse(server, client, answer)).access_token;
}

async function byOpenidClient(id, authentication) {
  const config = await openid.discovery(new URL(issuer), id, undefined, authentication, {
    execute: [openid.allowInsecureRequests],
  });
  return (await openid.clientCredentialsGrant(config, { scope, resource: audience })).access_token;
}

async function bySimpleOauth2(authorizationMethod) {
  const client = new ClientCredentials({
    client: { id: secret.id, secret: secret.secret },
    auth: { tokenHost: issuer, tokenPath: "/oauth/token" },
    options: { authorizationMethod },
  });
  return (await client.getToken({ scope, audience })).token.access_token;
}

const key = { key: await jose.importJWK(keyed.jwk, keyed.jwk.alg), kid: keyed.jwk.kid };
const tokens = {
  "oauth4webapi, basic": await byOauth4webapi(secret.id, oauth.ClientSecretBasic(secret.secret)),
  "oauth4webapi, post": await byOauth4webapi(secret.id, oauth.ClientSecretPost(secret.secret)),
  "oauth4webapi, key": await byOauth4webapi(keyed.id, oauth.PrivateKeyJwt(key)),
  "openid-client, basic": await byOpenidClient(secret.id, openid.ClientSecretBasic(secret.secret)),
  "openid-client, post": await byOpenidClient(secret.id, openid.ClientSecretPost(secret.secret)),
  "openid-client, key": await byOpenidClient(keyed.id, openid.PrivateKeyJwt(key)),
  "simple-oauth2, header": await bySimpleOauth2("header"),
  "simple-oauth2, body": await bySimpleOauth2("body"),
};
const [token] = Object.values(tokens);

const secretly = oauth.ClientSecretBasic(secret.secret);
const own = { client_id: secret.id };

async function isActive(presented) {
  const answer = await oauth.introspectionRequest(server, own, secretly, presented, insecure);
  return (await oauth.processIntrospectionResponse(server, own, answer)).active;
}

async function aroundRevocation(get, isActive, revoke) {
  const presented = await get();
  const before = await isActive(presented);
  await revoke(presented);
  return [before, await isActive(presented)];
}

const config = await openid.discovery(new URL(issuer), secret.id, undefined, openid.ClientSecretBasic(secret.secret), {
  execute: [openid.allowInsecureRequests],
});
const simple = new ClientCredentials({
  client: { id: secret.id, secret: secret.secret },
  auth: { tokenHost: issuer, tokenPath: "/oauth/token", revokePath: "/oauth/revoke" },
});
const introspected = {
  "openid-client": await aroundRevocation(
    () => byOpenidClient(secret.id, openid.ClientSecretBasic(secret.secret)),
    async (presented) => (await openid.tokenIntrospection(config, presented)).active,
    (presented) => openid.tokenRevocation(config, presented),
  ),
  oauth4webapi: await aroundRevocation(
    () => byOauth4webapi(secret.id, secretly),
    isActive,
    async (presented) =>
      oauth.processRevocationResponse(await oauth.revocationRequest(server, own, secretly, presented, insecure)),
  ),
  "simple-oauth2": await aroundRevocation(
    () => bySimpleOauth2("header"),
    isActive,
    (presented) => simple.createToken({ access_token: presented }).revoke("access_token"),
  ),
};

async function byExpress(presented, audience) {
  const app = express();
  app.use(auth({ issuerBaseURL: issuer, audience, strict: true }));
  app.get("/", requiredScopes(scope), (request, response) => response.json(request.auth.payload));
  app.use((error, _request, response, _next) => response.status(error.status ?? 500).json({ code: error.code }));
  const listening = app.listen(0, "127.0.0.1");
  await once(listening, "listening");
  const address = `http://127.0.0.1:${listening.address().port}/`;
  const answer = await fetch(address, { headers: { authorization: `Bearer ${presented}`, connection: "close" } });
  listening.close();
  return { status: answer.status, body: await answer.json() };
}

const keys = jose.createRemoteJWKSet(new URL(server.jwks_uri));
const { payload } = await jose.jwtVerify(token, keys, { issuer, audience, typ: "at+jwt" });
const called = new Request(audience, { headers: { authorization: `Bearer ${token}` } });
const tampered = token.slice(0, -2) + (token.endsWith("AA") ? "BB" : "AA");
process.stdout.write(
  JSON.stringify({
    tokens,
    introspected,
    verified: {
      jose: payload,
      oauth4webapi: await oauth.validateJwtAccessToken(server, called, audience, insecure),
      "express-oauth2-jwt-bearer": (await byExpress(token, audience)).body,
    },
    refused: {
      jose: await jose.jwtVerify(tampered, keys, { issuer, audience }).catch((error) => error.code),
      "express-oauth2-jwt-bearer": (await byExpress(tampered, audience)).status,
      "express-oauth2-jwt-bearer, another API": (await byExpress(token, "https://other.example.com")).status,
    },
  }),
);
