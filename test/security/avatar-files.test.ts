import { createHash } from 'node:crypto';
import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';

interface Picture {
  id: string;
  filename: string;
  contentType: string;
  sha256: string;
  url: string;
  downloadUrl: string;
  small: string;
}

const fields =
  'id filename contentType sha256 url downloadUrl small: downloadUrl(size: PX_128, format: WEBP)';

let gateway: TestGateway;
let anna: Client;

beforeAll(async () => {
  gateway = await TestGateway.start(jwtSettings);
  anna = await Client.of(gateway, 'anna');
});

afterAll(async () => {
  anna.close();
  await gateway.stop();
});

async function picturesOf(generationId: string): Promise<Picture[]> {
  const { generation } = await anna.request<{ generation: { avatars: Picture[] } }>(
    `query ($id: ID!) { generation(id: $id) { avatars { ${fields} } } }`,
    { id: generationId },
  );
  return generation.avatars;
}

describe('Avatar.downloadUrl', () => {
  it('lets browsers save the picture under `filename`, in each size and format', async () => {
    const { generationId } = await anna.settle('Zoë “am” Meer', 2);
    const pictures = await picturesOf(generationId);
    for (const [index, { filename, downloadUrl, small, sha256, contentType }] of pictures.entries()) {
      const stem = `realistic-zoë-am-meer-${index + 1}`;
      expect(filename).toBe(`${stem}.${contentType.replace('image/', '').replace('jpeg', 'jpg')}`);
      const original = await fetch(downloadUrl);
      expect(original.headers.get('content-disposition')).toBe(
        `attachment; filename="${filename.replace('ë', '_')}"; filename*=UTF-8''${encodeURIComponent(filename)}`,
      );
      const bytes = Buffer.from(await original.arrayBuffer());
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
      const converted = await fetch(small);
      expect(converted.headers.get('content-type')).toBe('image/webp');
      expect(converted.headers.get('content-disposition')).toContain(encodeURIComponent(`${stem}.webp`));
    }
  });

  it('has a signature of its own, and the words of the prompt are in no other response', async () => {
    const { generationId } = await anna.settle('a secret wedding', 1);
    const [picture] = await picturesOf(generationId);
    const { url, downloadUrl } = picture!;
    expect((await fetch(downloadUrl.replace('/download?', '?'))).status).toBe(403);
    expect((await fetch(url.replace('?', '/download?'))).status).toBe(403);
    const shown = await fetch(url);
    expect(shown.headers.get('content-disposition')).toMatch(/^inline; filename="avatar_[0-9a-f]{32}\.\w+"$/);
    await anna.erase();
    expect((await fetch(downloadUrl)).status).toBe(404);
  });
});
