import { createHash, randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import { sendText } from '../responses';
import type { Exchange, Route } from '../router';
import { readExamples, type ExampleTab } from './examples';
import { graphiqlPage } from './graphiql-page';

/** The path of the page. */
export const graphiqlPath = '/graphiql';

/** The page's files in loading order, from installed packages; nothing is loaded from other servers. */
const files = [
  ['graphiql', 'graphiql.min.css'],
  ['react', 'umd/react.production.min.js'],
  ['react-dom', 'umd/react-dom.production.min.js'],
  ['graphql-ws', 'umd/graphql-ws.min.js'],
  ['graphiql', 'graphiql.min.js'],
] as const;

const contentTypes: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

interface Asset {
  readonly path: string;
  readonly contentType: string;
  readonly etag: string;
  readonly bytes: Buffer;
}

/**
 * Reads GraphiQL into memory and returns its routes: the page, its files under content-hashed paths, and a redirect from
 * `/`, which applies where no earlier route serves that path.
 * @param asksForKey - whether clients need a key or token
 * @throws Error if a package is not installed as expected
 */
export async function loadGraphiql(graphqlPath: string, asksForKey: boolean): Promise<Route[]> {
  const assets = await Promise.all(files.map(([name, file]) => loadAsset(name, file)));
  const tabs = await readExamples();
  const methods = ['GET', 'HEAD'] as const;
  const visit: Route['handle'] = ({ response }) => {
    response.writeHead(302, { location: graphiqlPath, 'content-length': 0 }).end();
  };
  return [
    { methods, path: '/', handle: visit },
    {
      methods,
      path: graphiqlPath,
      handle: (exchange) => answerPage(exchange, assets, { graphqlPath, tabs, asksForKey }),
    },
    ...assets.map((asset): Route => ({
      methods,
      path: asset.path,
      handle: (exchange) => answerAsset(exchange, asset),
    })),
  ];
}

async function loadAsset(name: string, file: string): Promise<Asset> {
  const bytes = await readFile(join(dirname(require.resolve(`${name}/package.json`)), file));
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 16);
  const extension = extname(file);
  return {
    path: `${graphiqlPath}/${hash}/${name}${extension}`,
    contentType: contentTypes[extension]!,
    etag: `"${hash}"`,
    bytes,
  };
}

function answerPage(
  { response }: Exchange,
  assets: readonly Asset[],
  content: { graphqlPath: string; tabs: readonly ExampleTab[]; asksForKey: boolean },
): void {
  const nonce = randomBytes(16).toString('base64');
  const paths = (extension: string): string[] =>
    assets.map(({ path }) => path).filter((path) => path.endsWith(extension));
  const page = graphiqlPage({ scripts: paths('.js'), styles: paths('.css'), ...content, nonce });
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    // The editor inserts style elements at runtime.
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    'font-src data:',
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ];
  sendText(response, 200, page, {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': policy.join('; '),
  });
}

function answerAsset({ request, response }: Exchange, { bytes, contentType, etag }: Asset): void {
  const headers = { etag, 'cache-control': 'public, max-age=31536000, immutable' };
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, headers).end();
    return;
  }
  response.writeHead(200, { ...headers, 'content-type': contentType, 'content-length': bytes.length });
  response.end(bytes);
}
