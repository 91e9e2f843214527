import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompress, gzip } from 'node:zlib';
import type { Logger } from '../../core/logger';
import type { Headers } from '../responses';
import type { Exchange, Route } from '../router';
import { encodings, filesFolder, readBuiltStudio, type Encoding, type StudioFile } from './studio-files';

/** The folder that `npm run build` writes, both from `src` and from `dist`. */
export const builtStudioFolder = join(__dirname, '../../../dist/web');

export interface StudioOptions {
  /** See {@link builtStudioFolder}. */
  readonly folder: string;
  /** The path of GraphiQL, which the page links; null if it is not served. */
  readonly graphiqlPath: string | null;
  /** Where pictures are if the page was opened at another address. */
  readonly publicUrl?: string;
  /** Where the page uploads photos and reads pictures, if not at the gateway. */
  readonly bucketOrigins?: BucketOrigins;
  readonly logger: Logger;
}

/** Origins of the bucket or of the CDN in front of it; null: the gateway. */
export interface BucketOrigins {
  readonly uploads: string | null;
  readonly pictures: string | null;
}

const methods = ['GET', 'HEAD'] as const;

/** Replaced in the page by the path of GraphiQL. */
const graphiqlMark = '%GRAPHIQL_PATH%';

/**
 * Reads the studio into memory and returns its routes: the page at `/`, and its files under content-hashed paths. If it has
 * not been built, `/` answers with an explanation and a warning is logged.
 */
export async function loadStudio(options: StudioOptions): Promise<Route[]> {
  const { folder, graphiqlPath, logger } = options;
  const built = await readBuiltStudio(folder);
  if (built === null) {
    logger.warn({ folder }, 'the studio is not built and cannot be served: run `npm run build`');
    return [{ methods, path: '/', handle: (exchange) => explain(exchange, graphiqlPath) }];
  }
  const page = await encodePage(built.page.replace(graphiqlMark, graphiqlPath ?? ''));
  const policy = contentSecurityPolicy(options);
  return [
    {
      methods,
      path: '/',
      handle: (exchange) =>
        send(exchange, page, { 'cache-control': 'no-cache', 'content-security-policy': policy }),
    },
    ...built.files.map((file): Route => ({
      methods,
      path: `/${filesFolder}/${file.name}`,
      handle: (exchange) => send(exchange, file, { 'cache-control': 'public, max-age=31536000, immutable' }),
    })),
  ];
}

/** Scripts and styles come from files of this server only. Pictures may be previews of files that the user has chosen. */
function contentSecurityPolicy({ publicUrl, bucketOrigins }: StudioOptions): string {
  const elsewhere = publicUrl === undefined ? '' : ` ${new URL(publicUrl).origin}`;
  const also = (origin: string | null | undefined): string => (origin == null ? '' : ` ${origin}`);
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    `img-src 'self' blob: data:${elsewhere}${also(bucketOrigins?.pictures)}`,
    `connect-src 'self'${elsewhere}${also(bucketOrigins?.uploads)}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ');
}

async function encodePage(page: string): Promise<StudioFile> {
  const bytes = Buffer.from(page);
  const [br, gzipped] = await Promise.all([promisify(brotliCompress)(bytes), promisify(gzip)(bytes)]);
  const etag = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const contentType = 'text/html; charset=utf-8';
  return { name: 'index.html', contentType, etag, bytes, encoded: { br, gzip: gzipped } };
}

function send({ request, response }: Exchange, file: StudioFile, caching: Headers): void {
  const encoding = acceptedEncoding(request.headers['accept-encoding'], file);
  const etag = `"${file.etag}${encoding === null ? '' : `-${encoding}`}"`;
  response.appendHeader('vary', 'Accept-Encoding');
  const headers = { ...caching, etag };
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers).end();
    return;
  }
  const bytes = encoding === null ? file.bytes : file.encoded[encoding]!;
  response.writeHead(200, {
    ...headers,
    'content-type': file.contentType,
    'content-length': bytes.length,
    ...(encoding !== null && { 'content-encoding': encoding }),
  });
  response.end(bytes);
}

/** The preferred encoding that the client accepts and the file has; null: uncompressed. */
function acceptedEncoding(accept: string | undefined, { encoded }: StudioFile): Encoding | null {
  const accepted = new Set(
    (accept ?? '')
      .toLowerCase()
      .split(',')
      .map((part) => part.trim().split(/\s*;\s*/))
      .filter(([, quality]) => !/^q=0(?:\.0*)?$/.test(quality ?? ''))
      .map(([name]) => name),
  );
  const known = Object.keys(encodings) as Encoding[];
  return known.find((name) => accepted.has(name) && encoded[name] !== undefined) ?? null;
}

function explain({ response }: Exchange, graphiqlPath: string | null): void {
  const link = graphiqlPath === null ? '' : ` <a href="${graphiqlPath}">GraphiQL</a> is available.`;
  const page = `<!doctype html><html lang="en"><title>Likeness</title>
<p>The studio is not built. Run <code>npm run build</code> and start the server again.${link}</p></html>`;
  response.writeHead(503, {
    'content-type': 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(page),
    'cache-control': 'no-store',
  });
  response.end(page);
}
