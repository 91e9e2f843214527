// The operations that all servers answer, and requests of them.
import { createHmac, randomUUID } from 'node:crypto';
import { idOf, modelIdOf } from './seed.mjs';

/** Secrets of a run; they protect nothing. */
export const jwtSecret = 'secret-of-the-benchmark-which-protects-nothing';
export const signingSecret = 'signing-secret-of-the-benchmark-which-protects-nothing';

const list = (name, avatarFields) => `query ${name}($first: Int!) {
  models(first: $first) {
    edges { node {
      id name status progress
      generations(first: 4) { edges { node { id status avatars { ${avatarFields} } } } }
    } }
    pageInfo { hasNextPage endCursor }
  }
}`;

/** The texts by operation name. */
export const operations = {
  List: list('List', 'id placeholder'),
  ListUrls: list('ListUrls', 'id url'),
  Lookup: 'query Lookup($id: ID!) { model(id: $id) { id name status progress } }',
  Upload: `mutation Upload($input: CreatePhotoUploadsInput!) {
  createPhotoUploads(input: $input) {
    uploads { uploadUrl expiresAt headers { name value } photo { id status filename } }
  }
}`,
  Favorite: `mutation Favorite($input: SetFavoriteInput!) {
  setFavorite(input: $input) {
    avatars { id favorite url generation { id status avatars { id placeholder } model { id name photos { id } } } }
  }
}`,
  Photo: 'query Photo($id: ID!) { photo(id: $id) { url } }',
  Filter:
    'query Filter { models(first: 5, filter: { statuses: [FAILED] }) { edges { node { id name status progress } } } }',
  Progress: `subscription Progress($id: ID!) {
  trainingProgress(modelId: $id) { isSnapshot status progress estimatedReadyAt }
}`,
  Resume: `subscription Resume($id: ID!, $after: String) {
  trainingProgress(modelId: $id, after: $after) { isSnapshot status progress estimatedReadyAt cursor }
}`,
};

/**
 * A request by an owner, with a token of its own. The product reads the owner from the token, or uses `local` without
 * authentication; the other servers read it from a header.
 */
export function requestOf(operationName, variables, owner = 'local') {
  const body = JSON.stringify({ query: operations[operationName], operationName, variables });
  return { body, headers: { 'x-owner': owner, authorization: `Bearer ${tokenOf(owner)}` } };
}

/** The group of models of the owner `local`, and that of the owners `owner-1`, `owner-2`, … with five models each. */
export const local = { owners: ['local'], modelsEach: 200, from: 1 };
export const ownersOf = (count) => ({
  owners: Array.from({ length: count }, (_, index) => `owner-${index + 1}`),
  modelsEach: 5,
  from: 1_000,
});

/** List requests with different tokens. */
export function listRequests(operationName, owner = 'local') {
  return Array.from({ length: 200 }, () => requestOf(operationName, { first: 5 }, owner));
}

/** A lookup of each model of the owner `local`, in a mixed order. */
export function lookupRequests() {
  const { modelsEach, from } = local;
  return Array.from({ length: modelsEach }, (_, index) =>
    requestOf('Lookup', { id: modelIdOf(from + ((index * 7919) % modelsEach)) }),
  );
}

/** Marks the first avatar of a generation of each model of the owner `local`, in a mixed order. */
export function favoriteRequests() {
  const { modelsEach, from } = local;
  return Array.from({ length: modelsEach }, (_, index) => {
    const model = from + ((index * 7919) % modelsEach);
    const avatarIds = [`avatar_${idOf('avatars', model * 100).replaceAll('-', '')}`];
    return requestOf('Favorite', { input: { avatarIds, favorite: true } });
  });
}

/** A new token for the product with AUTH=jwt. */
export function tokenOf(owner) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const expires = Math.floor(Date.now() / 1000) + 86_400;
  const claims = { sub: owner, aud: 'bench', exp: expires, jti: randomUUID() };
  const text = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${text}.${createHmac('sha256', jwtSecret).update(text).digest('base64url')}`;
}
