import { pathOf, post, get, withHeaders, type AbusiveRequest } from './abuse-base';

/** Methods that a route does not support. */
export const methods: AbusiveRequest[] = [
  ...['PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND'].map((method) =>
    post({
      body: '',
      what: `the method ${method}`,
      method,
      status: 405,
      code: 'INVALID_INPUT',
    }),
  ),
  post({
    what: 'a method in a header',
    headers: withHeaders({ 'x-http-method-override': 'DELETE', 'x-method-override': 'PUT' }),
    status: 200,
    code: null,
  }),
  get({
    what: 'an upload by GET',
    path: ({ uploadUrl }) => pathOf(uploadUrl),
    status: 405,
    code: 'INVALID_INPUT',
  }),
  get({
    what: 'a picture by DELETE',
    method: 'DELETE',
    path: ({ avatarUrl }) => pathOf(avatarUrl),
    status: 405,
    code: 'INVALID_INPUT',
  }),
];

/** Invalid parts of a path: there is no such resource, or the signature does not match. */
const paths = [
  ['/media/avatars/../../etc/passwd', 404],
  ['/media/avatars/%2e%2e%2f%2e%2e%2fetc%2fpasswd/original', 403],
  ['/media/avatars/..%5c..%5cwindows/original', 403],
  ['/media/photos/%252e%252e%252f.jpg', 403],
  ['/media/photos/..%2f..%2fsigning-secret', 403],
  ['/media/photos/x%00.jpg', 403],
  ['/media/avatars/%E0%A4%A/original', 404],
  ['/upstream/photos/..%2f/1/x.jpg', 404],
  ['/upstream/photos/1/1/1.jpg', 404],
  ['/graphql/../metrics', 404],
  ['//evil.example/graphql', 404],
  ['/.git/config', 404],
  ['/.env', 404],
  ['/%', 404],
  [`/${'a/'.repeat(3_000)}`, 404],
] as const;

/** Path traversal. */
export const wanderings = paths.map(([path, status]) =>
  get({
    what: `the path ${path.slice(0, 60)}`,
    path: () => path,
    status,
    code: status === 404 ? 'NOT_FOUND' : 'INVALID_SIGNATURE',
  }),
);

/** Modified signed URLs, and unusual use of valid ones. */
export const urls: AbusiveRequest[] = [
  get({
    what: 'a changed signature',
    path: ({ avatarUrl }) =>
      pathOf(avatarUrl).replace(
        /signature=(.)/,
        (_, first: string) => `signature=${first === 'A' ? 'B' : 'A'}`,
      ),
    status: 403,
    code: 'INVALID_SIGNATURE',
  }),
  get({
    what: 'no signature',
    path: ({ avatarUrl }) => pathOf(avatarUrl).replace(/[?].*/, ''),
    status: 403,
    code: 'INVALID_SIGNATURE',
  }),
  get({
    what: 'a later end',
    path: ({ photoUrl }) => pathOf(photoUrl).replace(/expires=\d+/, 'expires=9999999999'),
    status: 403,
    code: 'INVALID_SIGNATURE',
  }),
  get({
    what: 'an end past all numbers',
    path: ({ photoUrl }) => pathOf(photoUrl).replace(/expires=\d+/, 'expires=1e99'),
    status: 403,
    code: 'INVALID_SIGNATURE',
  }),
  get({
    what: 'two signatures',
    path: ({ photoUrl }) => pathOf(photoUrl).replace('signature=', 'signature=x&signature='),
    status: 403,
    code: 'INVALID_SIGNATURE',
  }),
  get({
    what: 'a URL whose time is over',
    path: ({ expiredUrl }) => expiredUrl,
    status: 403,
    code: 'INVALID_SIGNATURE',
  }),
  get({
    what: 'another size',
    path: ({ avatarUrl }) => pathOf(avatarUrl).replace('/original', '/huge'),
    status: 404,
    code: 'NOT_FOUND',
  }),
  get({
    what: 'a photo’s signature for an upload',
    method: 'PUT',
    path: ({ photoUrl }) => pathOf(photoUrl).replace('/media/photos', '/uploads'),
    body: 'x',
    status: 403,
    code: 'INVALID_SIGNATURE',
  }),
  get({
    what: 'a range behind the end',
    path: ({ avatarUrl }) => pathOf(avatarUrl),
    headers: () => ({ range: 'bytes=99999999999-' }),
    status: 416,
    code: 'INVALID_INPUT',
  }),
  get({
    what: 'an empty range',
    path: ({ avatarUrl }) => pathOf(avatarUrl),
    headers: () => ({ range: 'bytes=-0' }),
    status: 416,
    code: 'INVALID_INPUT',
  }),
  get({
    what: 'a range backwards',
    path: ({ avatarUrl }) => pathOf(avatarUrl),
    headers: () => ({ range: 'bytes=5-1' }),
    status: 200,
    code: null,
  }),
  get({
    what: 'a thousand ranges',
    path: ({ avatarUrl }) => pathOf(avatarUrl),
    headers: () => ({ range: `bytes=${Array.from({ length: 1_000 }, (_, at) => `${at}-${at}`).join(',')}` }),
    status: 200,
    code: null,
  }),
  get({
    what: 'an upload without a signature',
    method: 'PUT',
    path: ({ uploadUrl }) => pathOf(uploadUrl).replace(/[?].*/, ''),
    body: 'x',
    status: 403,
    code: 'INVALID_SIGNATURE',
  }),
  get({
    what: 'an upload of 26 MB',
    method: 'PUT',
    path: ({ uploadUrl }) => pathOf(uploadUrl),
    headers: () => ({ 'content-type': 'image/jpeg' }),
    body: Buffer.alloc(26_000_000),
    status: 413,
    code: 'PHOTO_TOO_LARGE',
  }),
  get({
    what: 'an upload of a page',
    method: 'PUT',
    path: ({ uploadUrl }) => pathOf(uploadUrl),
    headers: () => ({ 'content-type': 'image/jpeg' }),
    body: '<script>alert(1)</script>',
    status: 415,
    code: 'PHOTO_TYPE_UNSUPPORTED',
  }),
  get({
    what: 'an upload as a form',
    method: 'PUT',
    path: ({ uploadUrl }) => pathOf(uploadUrl),
    headers: () => ({ 'content-type': 'multipart/form-data; boundary=x' }),
    body: '--x\r\n\r\n--x--',
    status: 415,
    code: 'PHOTO_TYPE_UNSUPPORTED',
  }),
];
