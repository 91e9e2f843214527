import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { builtStudioFolder } from '../../src/http/studio/studio';
import { send } from '../support/raw-client';
import { startTinyGateway, type TinyGateway } from '../support/tiny-gateway';

const filesIn = (page: string): string[] =>
  [...page.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1]!);

describe('the studio', () => {
  let gateway: TinyGateway;
  beforeAll(async () => {
    gateway = await startTinyGateway({ graphiql: true, studioFolder: builtStudioFolder });
  });
  afterAll(() => gateway.stop());

  it('is served at / as a page that links GraphiQL and loads files of this server', async () => {
    const page = await send(`${gateway.url}/`);
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.headers['cache-control']).toBe('no-cache');
    expect(page.text).toContain('data-graphiql="/graphiql"');
    expect(page.text).not.toMatch(/https?:\/\/|<script(?! type="module"[^>]* src=)|<style|\sstyle=|\son\w+=/);
    expect(filesIn(page.text).length).toBeGreaterThanOrEqual(3);
    for (const path of filesIn(page.text)) {
      expect(path).toMatch(/^\/studio\/[\w-]+\.(js|css|svg)$/);
      const file = await send(`${gateway.url}${path}`);
      expect(file.status).toBe(200);
      expect(file.headers['cache-control']).toBe('public, max-age=31536000, immutable');
      expect(file.headers['content-type']).toMatch(/^(text\/(javascript|css)|image\/svg\+xml)/);
    }
    const again = await send(`${gateway.url}/`, { headers: { 'if-none-match': page.headers.etag } });
    expect(again.status).toBe(304);
  });

  it('permits scripts, styles and connections of this server only', async () => {
    const policy = (await send(`${gateway.url}/`)).headers['content-security-policy'];
    expect(String(policy).split('; ')).toEqual([
      ...["default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' blob: data:"],
      ...["connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
      "require-trusted-types-for 'script'",
    ]);
  });

  it('permits pictures of the public address', async () => {
    const publicUrl = 'https://avatars.example.com/';
    const other = await startTinyGateway({ studioFolder: builtStudioFolder, publicUrl });
    const { headers } = await send(`${other.url}/`);
    expect(headers['content-security-policy']).toContain(
      "img-src 'self' blob: data: https://avatars.example.com;",
    );
    await other.stop();
  });

  it('permits uploads to the bucket and pictures from it', async () => {
    const bucketOrigins = { uploads: 'https://uploads.example', pictures: 'https://cdn.example' };
    const other = await startTinyGateway({ studioFolder: builtStudioFolder, bucketOrigins });
    const { headers } = await send(`${other.url}/`);
    expect(headers['content-security-policy']).toContain(
      "img-src 'self' blob: data: https://cdn.example; connect-src 'self' https://uploads.example;",
    );
    await other.stop();
  });

  it.each([
    ['br', 'gzip, deflate, br;q=0.9'],
    ['gzip', 'br;q=0, gzip'],
    ['gzip', 'GZIP'],
  ])('is compressed by %s for clients that accept %p', async (encoding, accept) => {
    for (const path of ['/', ...filesIn((await send(`${gateway.url}/`)).text)]) {
      const plain = await send(`${gateway.url}${path}`);
      expect(plain.headers['content-encoding']).toBeUndefined();
      const coded = await fetch(`${gateway.url}${path}`, { headers: { 'accept-encoding': accept } });
      expect(coded.headers.get('content-encoding')).toBe(encoding);
      expect(coded.headers.get('vary')).toContain('Accept-Encoding');
      expect(coded.headers.get('etag')).not.toBe(plain.headers.etag);
      expect(Number(coded.headers.get('content-length'))).toBeLessThan(plain.text.length);
      expect(await coded.text()).toBe(plain.text);
    }
  });

  it('answers unknown files with 404', async () => {
    for (const path of ['/studio/other.js', '/studio/', '/studio/../index.html', '/index.html'])
      expect((await send(`${gateway.url}${path}`)).status).toBe(404);
  });

  it('is replaced by an explanation if it has not been built, and the gateway works', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'studio-'));
    const other = await startTinyGateway({ graphiql: true, studioFolder: folder });
    const page = await send(`${other.url}/`);
    expect(page.status).toBe(503);
    expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(page.text).toContain('npm run build');
    expect(page.text).toContain('href="/graphiql"');
    expect(other.log).toContainEqual(
      expect.objectContaining({ level: 40, msg: expect.stringContaining('npm run build') }),
    );
    expect((await other.post('{ __typename }')).status).toBe(200);
    await other.stop();
    await rm(folder, { recursive: true });
  });

  it('has the licences of the packages that it contains', async () => {
    expect(await readdir(builtStudioFolder)).toContain('licenses.md');
  });
});
