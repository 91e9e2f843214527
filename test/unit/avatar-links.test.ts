import { avatarLinks } from '../../src/generations/avatar-links';
import { readConfig } from '../../src/read-config';
import type { LinkHeaders } from '../../src/storage/object-links';

const key = 'avatars/01920000-0000-7000-8000-000000000000.picture';
const headers = (kind: string): LinkHeaders => ({
  contentType: 'image/png',
  contentDisposition: `${kind}; filename="me.png"`,
  cacheControl: 'private',
});
const links = {
  origin: () => Promise.resolve('https://bucket.example'),
  upload: () => Promise.reject(new Error('not used')),
  read: () => Promise.resolve({ url: 'https://bucket.example/signed', validMs: 1_000 }),
  sizeOf: () => Promise.resolve(7),
};

describe('the links of avatars', () => {
  it('lead to the CDN, except for downloads, which need a file name', async () => {
    const settings = { S3_READS: 'cdn', S3_PUBLIC_URL: 'https://cdn.example/pictures/' } as const;
    const cdn = avatarLinks(settings, { links })!;
    expect(await cdn.read(key, headers('inline'))).toMatchObject({
      url: `https://cdn.example/pictures/${key}`,
    });
    expect(await cdn.read(key, headers('attachment'))).toBeNull();
    expect(await cdn.sizeOf(key)).toBe(7);
  });

  it('are those of the bucket for presigned reads, and none by default or without a bucket', async () => {
    const presigned = avatarLinks({ S3_READS: 'presigned' }, { links })!;
    expect(await presigned.read(key, headers('attachment'))).toMatchObject({
      url: 'https://bucket.example/signed',
    });
    expect(avatarLinks({ S3_READS: 'gateway' }, { links })).toBeNull();
    expect(avatarLinks({ S3_READS: 'presigned' }, {})).toBeNull();
  });

  it('need a bucket, and an address for the CDN', () => {
    expect(readConfig({})).toMatchObject({ S3_UPLOADS: 'gateway', S3_READS: 'gateway' });
    expect(() => readConfig({ S3_UPLOADS: 'direct' })).toThrow('S3_BUCKET is missing');
    expect(() => readConfig({ S3_BUCKET: 'pictures', S3_READS: 'cdn' })).toThrow(
      'S3_READS=cdn and S3_PUBLIC_URL belong together',
    );
  });
});
