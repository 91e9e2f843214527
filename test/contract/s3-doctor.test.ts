import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { likeness } from '../support/command-line';
import { listening, stopped } from '../support/servers';

type Answer = readonly [status: number, body?: string];

describe('a bucket that the doctor examines for unfinished uploads', () => {
  let answer: (request: IncomingMessage) => Answer;
  const server = createHttpServer((request, response) => {
    request.resume().on('end', () => {
      const [status, body = ''] = answer(request);
      response.writeHead(status, { 'content-type': 'application/xml' }).end(body);
    });
  });
  let settings: Record<string, string>;

  beforeAll(async () => {
    settings = {
      ...{ S3_BUCKET: 'pictures', S3_ENDPOINT: `http://127.0.0.1:${await listening(server)}` },
      ...{ S3_FORCE_PATH_STYLE: 'true', S3_ACCESS_KEY_ID: 'key', S3_SECRET_ACCESS_KEY: 'secret' },
    };
  });
  afterAll(() => stopped(server));

  const examine = async (): Promise<string> => (await likeness(settings, 'doctor')).out;
  const error = (code: string, message = ''): string =>
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${message}</Message></Error>`;
  const refused = error('AccessDenied', 'not with this key');

  it.each<[string, Answer, boolean]>([
    ['may not be aborted', [403, refused], true],
    ['may be aborted', [204], false],
    ['were aborted by another process', [404, error('NoSuchUpload')], false],
  ])('has a finding only if they may not be aborted: they %s', async (_, end, isRefused) => {
    const requests: string[] = [];
    answer = ({ method, url }) => {
      const { pathname, searchParams } = new URL(url!, 'http://bucket');
      const id = searchParams.get('uploadId');
      if (id !== null || method === 'POST') requests.push(`${method} ${pathname} ${id}`);
      if (id !== null) return end;
      const begun = '<InitiateMultipartUploadResult><UploadId>one</UploadId></InitiateMultipartUploadResult>';
      return [200, method === 'POST' ? begun : ''];
    };
    const out = await examine();
    expect(requests).toEqual(['POST /pictures/.check null', 'DELETE /pictures/.check one']);
    expect(/unfinished uploads +WARN .*not with this key/.test(out)).toBe(isRefused);
    expect(out.includes('unfinished uploads: Allow s3:AbortMultipartUpload')).toBe(isRefused);
    expect(out).not.toContain('s3:ListBucketMultipartUploads');
  });

  it('has a finding if they may not be begun', async () => {
    answer = ({ method }) => (method === 'POST' ? [403, refused] : [200]);
    expect(await examine()).toMatch(/unfinished uploads +WARN .*not with this key/);
  });

  it('has no finding if the store has no such uploads', async () => {
    const answers: Record<string, Answer> = { POST: [501, error('NotImplemented')], DELETE: [403, refused] };
    answer = ({ method }) => answers[method!] ?? [200];
    expect(await examine()).not.toContain('unfinished uploads');
  });
});
