/** What a request is made against. */
export interface AbuseContext {
  token: string;
  /** Valid signed URLs, and an expired one. */
  avatarUrl: string;
  photoUrl: string;
  uploadUrl: string;
  expiredUrl: string;
}

/** A malicious request and its expected response. */
export interface AbusiveRequest {
  what: string;
  method?: string;
  /** Returns the path with its query, which is sent unchanged. */
  path: (context: AbuseContext) => string;
  headers?: (context: AbuseContext) => Record<string, string>;
  body?: string | Buffer;
  status: number;
  /** Null where it is answered without a code: the request is unusual but valid. */
  code: string | null;
}

/** The body of a valid query. */
export const viewer = JSON.stringify({ query: '{ viewer { owner } }' });
/** Headers of an authenticated client. */
const asAlice = ({ token }: AbuseContext): Record<string, string> => ({
  authorization: `Bearer ${token}`,
  'content-type': 'application/json',
});
const graphql = (): string => '/graphql';
/** Path and query of a URL. */
export const pathOf = (url: string): string => url.replace(/^https?:\/\/[^/]+/, '');

type Change = Partial<AbusiveRequest> & Pick<AbusiveRequest, 'what' | 'status' | 'code'>;

/** An authenticated POST of a valid query, with the given changes. */
export const post = (change: Change): AbusiveRequest => ({
  method: 'POST',
  path: graphql,
  headers: asAlice,
  body: viewer,
  ...change,
});
/** A GET without further headers. */
export const get = (change: Change & Pick<AbusiveRequest, 'path'>): AbusiveRequest => ({
  method: 'GET',
  ...change,
});
/** Headers of an authenticated client with additions. */
export const withHeaders =
  (more: Record<string, string>) =>
  (context: AbuseContext): Record<string, string> => ({ ...asAlice(context), ...more });
