/** What a request is made against. */
export interface AbuseContext {
  token: string;
  /** Signed URLs that work, and one that did. */
  avatarUrl: string;
  photoUrl: string;
  uploadUrl: string;
  expiredUrl: string;
}

/** A request that nobody means well with, and how it is answered. */
export interface AbusiveRequest {
  what: string;
  method?: string;
  /** From the ground: a path, with its query; sent as it stands. */
  path: (context: AbuseContext) => string;
  headers?: (context: AbuseContext) => Record<string, string>;
  body?: string | Buffer;
  status: number;
  /** Null where it is answered without a code: what was asked for in an odd way is no more than was asked for. */
  code: string | null;
}

/** The body of a good query. */
export const viewer = JSON.stringify({ query: '{ viewer { owner } }' });
/** Headers of somebody known. */
const asAlice = ({ token }: AbuseContext): Record<string, string> => ({
  authorization: `Bearer ${token}`,
  'content-type': 'application/json',
});
const graphql = (): string => '/graphql';
/** Path and query of a URL. */
export const pathOf = (url: string): string => url.replace(/^https?:\/\/[^/]+/, '');

type Change = Partial<AbusiveRequest> & Pick<AbusiveRequest, 'what' | 'status' | 'code'>;

/** A POST of a good query by somebody known, but for what is changed. */
export const post = (change: Change): AbusiveRequest => ({
  method: 'POST',
  path: graphql,
  headers: asAlice,
  body: viewer,
  ...change,
});
/** A GET with nothing but what is given. */
export const get = (change: Change & Pick<AbusiveRequest, 'path'>): AbusiveRequest => ({
  method: 'GET',
  ...change,
});
/** Headers of somebody known, and more. */
export const withHeaders =
  (more: Record<string, string>) =>
  (context: AbuseContext): Record<string, string> => ({ ...asAlice(context), ...more });
