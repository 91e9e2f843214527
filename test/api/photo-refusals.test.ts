import sharp from 'sharp';
import { UrlSigner } from '../../src/core/signature';
import { Client, creations } from '../support/client';
import { TestGateway } from '../support/gateway';
import { pngClaiming } from '../support/picture-bytes';
import { facePhoto } from '../support/pictures';
import { put } from '../support/raw-client';

const secret = 'what the gateway of these tests signs with';
const createUploads =
  'mutation ($files: [PhotoFileInput!]!) { createPhotoUploads(input: { files: $files }) { uploads { photo { id } } } }';

let gateway: TestGateway;
let client: Client;

beforeAll(async () => {
  gateway = await TestGateway.start({ SIGNING_SECRETS: secret });
  client = new Client(() => gateway.url);
});

afterAll(() => gateway.stop());

/** Uploads one file and returns the response with the photo afterwards. */
const upload = async (bytes: Buffer): Promise<{ status: number; code: unknown; photo: unknown }> => {
  const [slot] = await client.slots([{ byteSize: bytes.length }]);
  const { status, body } = await put(slot!.uploadUrl, bytes);
  const { photo } = await client.request<{ photo: unknown }>(
    'query ($id: ID!) { photo(id: $id) { status problems { code message } url } }',
    { id: slot!.photo.id },
  );
  return { status, code: body.code, photo };
};

const rejectedFor = (code: string): object => ({
  status: 'REJECTED',
  problems: [{ code, message: expect.stringMatching(/\w{4,}.*\.$/) }],
  url: null,
});

describe('an unusable photo', () => {
  it('is rejected by its content, regardless of its name', async () => {
    const gif = await sharp(await facePhoto(1))
      .gif()
      .toBuffer();
    expect(await upload(gif)).toEqual({
      status: 415,
      code: 'PHOTO_TYPE_UNSUPPORTED',
      photo: rejectedFor('UNSUPPORTED_TYPE'),
    });
  });

  it('is rejected if truncated, and can be uploaded again', async () => {
    const whole = await facePhoto(2);
    const [slot] = await client.slots([{ byteSize: whole.length }]);
    const cut = await put(slot!.uploadUrl, whole.subarray(0, whole.length / 2));
    expect(cut).toMatchObject({ status: 422, body: { code: 'PHOTO_INVALID' } });
    const refusal = await client.refusal(creations.trainModel, {
      input: { type: 'MAN', photoIds: [slot!.photo.id, ...(await client.upload())] },
    });
    expect(refusal.extensions).toMatchObject({ code: 'PHOTO_INVALID', field: 'input.photoIds[0]' });
    expect(await put(slot!.uploadUrl, whole)).toMatchObject({ status: 201, body: { status: 'READY' } });
  });

  it('is rejected at 30,000 × 30,000 pixels before decoding', async () => {
    expect(await upload(pngClaiming(30_000, 30_000))).toEqual({
      status: 422,
      code: 'PHOTO_INVALID',
      photo: rejectedFor('TOO_MANY_PIXELS'),
    });
  });

  it('is rejected at 60 MB, when announced and when uploaded', async () => {
    const files = [{ filename: 'me.jpg', contentType: 'image/jpeg', byteSize: 60_000_000 }];
    expect(await uploadsFor(files)).toMatchObject([
      {
        photo: { status: 'REJECTED', problems: [{ code: 'PHOTO_TOO_LARGE' }] },
        problems: [{ code: 'PHOTO_TOO_LARGE', field: 'input.files[0].byteSize' }],
      },
    ]);
    const [slot] = await client.slots([{ byteSize: 1_000 }]);
    const answer = await put(slot!.uploadUrl, Buffer.alloc(60_000_000));
    expect(answer).toMatchObject({ status: 413, body: { code: 'PHOTO_TOO_LARGE' } });
  });

  it('is rejected under an expired URL or the URL of another photo', async () => {
    const photo = await facePhoto(3);
    const [slot, other] = await client.slots([{ byteSize: photo.length }, { byteSize: photo.length }]);
    const { origin, pathname } = new URL(slot!.uploadUrl);
    const expired = new UrlSigner([secret]).sign('photo-upload', pathname, Date.now() - 2_000);
    expect(await put(`${origin}${pathname}?${expired}`, photo)).toMatchObject({
      status: 410,
      body: { code: 'UPLOAD_URL_EXPIRED' },
    });
    const borrowed = `${origin}${pathname}${new URL(other!.uploadUrl).search}`;
    expect(await put(borrowed, photo)).toMatchObject({
      status: 403,
      body: { code: 'INVALID_SIGNATURE' },
    });
  });

  it.each([0, 31])('gets no upload slot with %i files', async (count) => {
    const files = Array.from({ length: count }, () => goodFile);
    expect((await client.refusal(createUploads, { files })).extensions).toMatchObject({
      code: 'INVALID_INPUT',
      field: 'input.files',
      problems: [{ path: ['input', 'files'] }],
    });
  });

  it('gets a slot with the problems of its description; the other files are accepted', async () => {
    const uploads = await uploadsFor([
      goodFile,
      { ...goodFile, contentType: 'image/gif\r\nX: SECRET' },
      { ...goodFile, byteSize: 0 },
      { filename: 'a\0b', contentType: 'SECRET', byteSize: -1 },
      { ...goodFile, filename: '' },
      goodFile,
    ]);
    const problem = (code: string, file: number, name: string): object => ({
      code,
      field: `input.files[${file}].${name}`,
      message: expect.stringMatching(/\w{4,}.*\.$/) as string,
    });
    expect(uploads.map(({ problems }) => problems)).toEqual([
      [],
      [problem('PHOTO_TYPE_UNSUPPORTED', 1, 'contentType')],
      [problem('INVALID_INPUT', 2, 'byteSize')],
      [
        problem('INVALID_INPUT', 3, 'filename'),
        problem('PHOTO_TYPE_UNSUPPORTED', 3, 'contentType'),
        problem('INVALID_INPUT', 3, 'byteSize'),
      ],
      [problem('INVALID_INPUT', 4, 'filename')],
      [],
    ]);
    expect(
      uploads.map(({ photo }) => [photo.status, photo.filename, photo.problems.map(({ code }) => code)]),
    ).toEqual([
      ['AWAITING_UPLOAD', 'me.jpg', []],
      ['REJECTED', 'me.jpg', ['UNSUPPORTED_TYPE']],
      ['REJECTED', 'me.jpg', ['INVALID_FILE']],
      ['REJECTED', null, ['INVALID_FILE', 'UNSUPPORTED_TYPE', 'INVALID_FILE']],
      ['REJECTED', null, ['INVALID_FILE']],
      ['AWAITING_UPLOAD', 'me.jpg', []],
    ]);
    expect(JSON.stringify(uploads)).not.toContain('SECRET');
    const photo = await facePhoto(4);
    for (const { uploadUrl } of uploads)
      expect(await put(uploadUrl, photo)).toMatchObject({ status: 201, body: { status: 'READY' } });
  });

  it('has the code UNKNOWN if another version of the server stored one that this version does not have', async () => {
    const [slot] = await client.slots([{ byteSize: 1 }]);
    await gateway.rows(
      `UPDATE photos SET status = 'REJECTED', problems = '[{"code": "FUTURE", "message": "New."}]' WHERE id = (SELECT max(id::text)::uuid FROM photos)`,
    );
    const query = 'query ($id: ID!) { photo(id: $id) { status problems { code message } } }';
    expect(await client.request(query, { id: slot!.photo.id })).toEqual({
      photo: { status: 'REJECTED', problems: [{ code: 'UNKNOWN', message: 'New.' }] },
    });
  });
});

const goodFile = { filename: 'me.jpg', contentType: 'image/jpeg', byteSize: 1 };

interface Problem {
  code: string;
  field?: string;
  message: string;
}

interface Upload {
  photo: { status: string; filename: string | null; problems: Problem[] };
  problems: Problem[];
  uploadUrl: string;
}

async function uploadsFor(files: object[]): Promise<Upload[]> {
  const { createPhotoUploads } = await client.request<{ createPhotoUploads: { uploads: Upload[] } }>(
    `mutation ($files: [PhotoFileInput!]!) { createPhotoUploads(input: { files: $files }) { uploads {
      photo { status filename problems { code message } } problems { code field message } uploadUrl headers { name value } } } }`,
    { files },
  );
  return createPhotoUploads.uploads;
}
