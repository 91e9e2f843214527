import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { send } from '../support/raw-client';
import { startTinyGateway, type TinyGateway } from '../support/tiny-gateway';

describe('GraphiQL', () => {
  let gateway: TinyGateway;
  beforeAll(async () => {
    gateway = await startTinyGateway({ graphiql: true });
  });
  afterAll(() => gateway.stop());

  const files = (page: string): string[] =>
    [...page.matchAll(/(?:src|href)="(?!data:)([^"]+)"/g)].map((match) => match[1]!);

  it('is where browsers are sent from the GraphQL URL, and from / without the studio', async () => {
    expect((await send(`${gateway.url}/`)).headers.location).toBe('/graphiql');
    const visit = await send(`${gateway.url}/graphql`, { headers: { accept: 'text/html,*/*;q=0.8' } });
    expect(visit.status).toBe(303);
    expect(visit.headers.location).toBe('/graphiql');
  });

  it('loads all files from this server', async () => {
    const page = await send(`${gateway.url}/graphiql`);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(files(page.text)).toHaveLength(5);
    for (const path of files(page.text)) {
      expect(path).toMatch(/^\/graphiql\/[0-9a-f]{16}\/[a-z-]+\.(js|css)$/);
      const file = await send(`${gateway.url}${path}`);
      expect(file.status).toBe(200);
      expect(file.text.length).toBeGreaterThan(10_000);
      expect(file.headers['cache-control']).toBe('public, max-age=31536000, immutable');
      const again = await send(`${gateway.url}${path}`, { headers: { 'if-none-match': file.headers.etag } });
      expect(again.status).toBe(304);
    }
    // Examples name URLs of a domain that is reserved for documentation.
    const hosts = [...page.text.matchAll(/https?:\/\/([^/"\\]+)/g)].map(([, host]) => host);
    expect(hosts.filter((host) => host !== 'example.com')).toEqual([]);
  });

  it('allows only scripts of the page', async () => {
    const [one, other] = [await send(`${gateway.url}/graphiql`), await send(`${gateway.url}/graphiql`)];
    const policy = String(one.headers['content-security-policy']);
    const nonce = /script-src 'nonce-([^']+)'/.exec(policy)?.[1];
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toContain('unsafe-eval');
    expect(one.text.match(/<script/g)).toHaveLength(5);
    expect(one.text.split(`<script nonce="${nonce}"`)).toHaveLength(6);
    expect(other.text).not.toContain(nonce);
    expect(one.headers['cache-control']).toBe('no-store');
  });

  it('offers the examples in tabs, in the order of their names', async () => {
    const { text } = await send(`${gateway.url}/graphiql`);
    const [, tabs] = /^const examples = (\[.*\]);$/m.exec(text)!;
    const read = (name: string): string => readFileSync(join('examples', name), 'utf8');
    const names = readdirSync('examples').filter((name) => name.endsWith('.graphql'));
    const expected = names.sort().map((name) => {
      const variables = name.replace(/graphql$/, 'json');
      return {
        query: read(name),
        ...(existsSync(join('examples', variables)) && { variables: read(variables) }),
      };
    });
    expect(JSON.parse(tabs!)).toEqual(expected);
    expect(expected.filter(({ variables }) => variables !== undefined).length).toBeGreaterThan(3);
  });

  it('is not served when disabled', async () => {
    const plain = await startTinyGateway();
    for (const path of ['/', '/graphiql']) expect((await send(`${plain.url}${path}`)).status).toBe(404);
    expect((await send(`${plain.url}/graphql`, { headers: { accept: 'text/html' } })).status).toBe(406);
    await plain.stop();
  });
});
