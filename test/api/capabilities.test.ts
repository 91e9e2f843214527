import { crc32 } from 'node:zlib';
import { newId } from '../../src/core/ids';
import { GenerationService } from '../../src/generations/generation.service';
import type { JobServiceDeps } from '../../src/jobs/job-creation';
import { picsartFacts, picsartStyles } from '../../src/upstream/picsart/facts';
import { Client, creations } from '../support/client';
import { TestGateway } from '../support/gateway';
import { facePhoto } from '../support/pictures';
import { put } from '../support/raw-client';

interface Style {
  key: string;
  name: string;
  isDefault: boolean;
  exampleUrl: string | null;
}

interface Capabilities {
  photos: Record<'maxByteSize' | 'maxPixels' | 'maxProgressivePixels' | 'minSide', number> &
    Record<'maxFiles' | 'maxFilenameLength' | 'maxUnused', number> & { contentTypes: string[] };
  avatarTypes: { type: string; minPhotos: number; maxPhotos: number }[];
  prompts: { maxPrompts: number; maxLength: number; maxAvatars: number };
  maxModelNameLength: number;
  consentVersion: string | null;
  hasInstantAvatars: boolean;
  providers: { key: string; name: string; isDefault: boolean; styles: Style[] }[];
}

const query = `{ capabilities {
  photos { maxByteSize maxPixels maxProgressivePixels minSide maxFiles maxFilenameLength maxUnused contentTypes }
  avatarTypes { type minPhotos maxPhotos } prompts { maxPrompts maxLength maxAvatars }
  maxModelNameLength consentVersion hasInstantAvatars
  providers { key name isDefault styles { key name isDefault exampleUrl } } } }`;

let gateway: TestGateway;
let client: Client;
let capabilities: Capabilities;

beforeAll(async () => {
  gateway = await TestGateway.start({ REQUIRE_CONSENT: '2026-01', MAX_PHOTO_BYTES: '300kB' });
  client = new Client(() => gateway.url);
  ({ capabilities } = await client.request<{ capabilities: Capabilities }>(query));
});

afterAll(() => gateway.stop());

/** Whether `createPhotoUploads` refuses the files, or any of them. */
async function isRefused(files: readonly object[]): Promise<boolean> {
  const { data, errors } = await client.post(
    'mutation ($input: CreatePhotoUploadsInput!) { createPhotoUploads(input: $input) { uploads { photo { status } } } }',
    { input: { files } },
  );
  return errors !== undefined || JSON.stringify(data).includes('REJECTED');
}

const file = (changes: object = {}): object => ({
  filename: 'me.jpg',
  contentType: 'image/jpeg',
  byteSize: 1_000,
  ...changes,
});

/** The code of the response to an upload; `READY` for a photo that can be used. */
async function upload(bytes: Buffer): Promise<string> {
  const [slot] = await client.slots([{ byteSize: bytes.length }]);
  const { body } = await put(slot!.uploadUrl, bytes);
  const { status, code, problems } = body as {
    status?: string;
    code?: string;
    problems?: { code: string }[];
  };
  return String(problems?.[0]?.code ?? code ?? status);
}

/** A PNG whose header has these dimensions, with too few bytes. */
function pngHeader(width: number, height: number, isInterlaced = false): Buffer {
  const bytes = Buffer.alloc(45);
  bytes.write('89504e470d0a1a0a0000000d49484452', 'hex');
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  bytes.set([8, 2, 0, 0, isInterlaced ? 1 : 0], 24);
  bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
  bytes.write('0000000049444154', 33, 'hex');
  bytes.writeUInt32BE(crc32(bytes.subarray(37, 41)), 41);
  return bytes;
}

describe('the capabilities of photos', () => {
  it('have the size that files may announce', async () => {
    const { maxByteSize } = capabilities.photos;
    expect(maxByteSize).toBe(300_000);
    expect(await isRefused([file({ byteSize: maxByteSize })])).toBe(false);
    expect(await isRefused([file({ byteSize: maxByteSize + 1 })])).toBe(true);
  });

  it('have the media types, the number of files and the length of filenames', async () => {
    const { contentTypes, maxFiles, maxFilenameLength } = capabilities.photos;
    expect(await isRefused(contentTypes.map((contentType) => file({ contentType })))).toBe(false);
    expect(await isRefused([file({ contentType: 'image/gif' })])).toBe(true);
    const many = (count: number): object[] => Array.from({ length: count }, () => file());
    expect(await isRefused(many(maxFiles))).toBe(false);
    expect(await isRefused(many(maxFiles + 1))).toBe(true);
    expect(await isRefused([file({ filename: 'x'.repeat(maxFilenameLength) })])).toBe(false);
    expect(await isRefused([file({ filename: 'x'.repeat(maxFilenameLength + 1) })])).toBe(true);
  });

  it('have the minimum length of the shorter side', async () => {
    const { minSide } = capabilities.photos;
    const side = (length: number): Promise<Buffer> => facePhoto(1, { width: length, height: length });
    expect(await upload(await side(minSide))).toBe('READY');
    expect(await upload(await side(minSide - 1))).toBe('TOO_SMALL');
  });

  it('have the maximum number of pixels', async () => {
    const { maxPixels, maxProgressivePixels } = capabilities.photos;
    const height = 10_000;
    expect(await upload(pngHeader(maxPixels / height, height))).toBe('UNREADABLE');
    expect(await upload(pngHeader(maxPixels / height + 1, height))).toBe('TOO_MANY_PIXELS');
    expect(await upload(pngHeader(maxProgressivePixels / height, height, true))).toBe('UNREADABLE');
    expect(await upload(pngHeader(maxProgressivePixels / height + 1, height, true))).toBe('TOO_MANY_PIXELS');
  });
});

describe('the capabilities of trainings', () => {
  const photos = (count: number): object[] =>
    Array.from({ length: count }, (_, index) => ({ url: `https://photos.example.com/${index}.jpg` }));

  /** The code of the refusal; null if the training is accepted. */
  async function refusal(input: object): Promise<unknown> {
    const consent = { version: capabilities.consentVersion };
    const { errors } = await client.post(creations.trainModel, { input: { consent, ...input } });
    return errors?.[0]?.extensions.code ?? null;
  }

  it('have the number of photos of each avatar type', async () => {
    expect(capabilities.avatarTypes.map(({ type }) => type)).toEqual([
      'MAN',
      'WOMAN',
      'COUPLE',
      'DOG',
      'CAT',
    ]);
    for (const { type, minPhotos, maxPhotos } of capabilities.avatarTypes) {
      expect(await refusal({ type, photos: photos(minPhotos - 1) })).toBe('TOO_FEW_PHOTOS');
      expect(await refusal({ type, photos: photos(maxPhotos + 1) })).toBe('TOO_MANY_PHOTOS');
      expect(await refusal({ type, photos: photos(minPhotos) })).toBeNull();
    }
    const [{ type, maxPhotos }] = capabilities.avatarTypes as [Capabilities['avatarTypes'][number]];
    expect(await refusal({ type, photos: photos(maxPhotos) })).toBeNull();
  });

  it('have the version of the required consent, and the length of names', async () => {
    const input = { type: 'CAT', photos: photos(5) };
    expect(capabilities.consentVersion).toBe('2026-01');
    expect(await refusal({ ...input, consent: null })).toBe('CONSENT_REQUIRED');
    const { maxModelNameLength } = capabilities;
    expect(await refusal({ ...input, name: 'x'.repeat(maxModelNameLength) })).toBeNull();
    expect(await refusal({ ...input, name: 'x'.repeat(maxModelNameLength + 1) })).toBe('INVALID_INPUT');
  });

  it('have the provider that a training may name', async () => {
    const input = { type: 'CAT', photos: photos(5) };
    const [{ key, name, isDefault }] = capabilities.providers as [Capabilities['providers'][number]];
    expect([key, name, isDefault]).toEqual(['sandbox', 'Sandbox', true]);
    expect(await refusal({ ...input, provider: key })).toBeNull();
    expect(await refusal({ ...input, provider: name })).toBe('INVALID_INPUT');
  });
});

describe('the capabilities of generations', () => {
  /** The code of the refusal; NOT_FOUND, for the model, if the prompts are accepted. */
  async function refusal(prompts: readonly object[]): Promise<unknown> {
    const input = { modelId: `model_${'0'.repeat(32)}`, prompts };
    return (await client.refusal(creations.generateAvatars, { input })).extensions.code;
  }

  it('have the limits of prompts', async () => {
    const { maxPrompts, maxLength, maxAvatars } = capabilities.prompts;
    const many = (length: number): object[] => Array.from({ length }, () => ({}));
    expect(await refusal(many(maxPrompts))).toBe('NOT_FOUND');
    expect(await refusal(many(maxPrompts + 1))).toBe('INVALID_INPUT');
    expect(await refusal([{ prompt: 'x'.repeat(maxLength) }])).toBe('NOT_FOUND');
    expect(await refusal([{ prompt: 'x'.repeat(maxLength + 1) }])).toBe('INVALID_INPUT');
    expect(await refusal([{ count: maxAvatars - 1 }, {}])).toBe('NOT_FOUND');
    expect(await refusal([{ count: maxAvatars }, {}])).toBe('INVALID_INPUT');
  });

  it('have the styles, of which one is the default', async () => {
    const { styles } = capabilities.providers[0]!;
    expect(styles.filter(({ isDefault }) => isDefault).map(({ key }) => key)).toEqual(['realistic']);
    expect(await refusal(styles.map(({ key: style }) => ({ style })))).toBe('NOT_FOUND');
    const roots = await client.request<{ styles: Style[]; providers: object[] }>(
      '{ styles { key name isDefault exampleUrl } providers { key name isDefault styles { key name isDefault exampleUrl } } }',
    );
    expect(roots).toEqual({ styles, providers: capabilities.providers });
  });

  it('have the same style in the deprecated field `id`', async () => {
    const { styles } = await client.request<{ styles: { id: string; key: string }[] }>(
      '{ styles { id key } }',
    );
    expect(styles.map(({ id }) => id)).toEqual(styles.map(({ key }) => key));
  });

  it('require a style of each prompt if the provider has no default style', async () => {
    const facts = { ...picsartFacts(1, picsartStyles), defaultStyle: null };
    const service = new GenerationService({
      provider: { facts },
      database: { entities: () => Promise.resolve([{ status: 'READY' }]) },
    } as unknown as JobServiceDeps);
    const prompt = { style: null, prompt: null, negativePrompt: null, count: 1 };
    const request = {
      model: { kind: 'AvatarModel', field: 'input.modelId', uuid: newId() } as const,
      prompts: [{ ...prompt, style: 'realistic' }, prompt],
      queue: { startBy: null, priority: 'NORMAL' } as const,
      idempotencyKey: null,
    };
    await expect(service.generate({ owner: 'ann', scopes: new Set() }, request)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      field: 'input.prompts[1].style',
      message: expect.stringContaining('Choose a style. The styles are realistic.'),
    });
  });
});
