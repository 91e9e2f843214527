import sharp from 'sharp';
import { thumbHashOf, thumbHashOfBlurHash } from '../../src/images/thumbhash';
import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import { until } from '../support/until';

const fields = `thumbhash placeholder width height style prompt createdAt url(size: PX_256)
  provenance { provider providerModelId prompt style generatedAt digitalSourceType hasContentCredentials isSandbox }
  generation { model { providerModelId } }`;

interface Picture {
  thumbhash: string;
  placeholder: string;
  width: number;
  height: number;
  style: string;
  prompt: string | null;
  createdAt: string;
  url: string;
  provenance: object;
  generation: { model: { providerModelId: string } | null };
}

let gateway: TestGateway;
let anna: Client;

beforeAll(async () => {
  gateway = await TestGateway.start({ ...jwtSettings, WORK_CHECK_INTERVAL: '1s' });
  anna = await Client.of(gateway, 'anna');
});

afterAll(async () => {
  anna.close();
  await gateway.stop();
});

async function newest(): Promise<Picture> {
  const query = `{ avatars(first: 1) { nodes { ${fields} } } }`;
  return (await anna.request<{ avatars: { nodes: Picture[] } }>(query)).avatars.nodes[0]!;
}

/** The first avatar of a generation, from a subscription: the resolvers read it, not a planned statement. */
async function fromEvents(generationId: string): Promise<object> {
  const query = `subscription ($id: ID!) { avatarCompleted(select: { generationId: $id }) { avatar { ${fields.replace(/generation \{.*$/s, '')} } } }`;
  const feed = anna.subscribe<{ avatar: object }>(query, { id: generationId });
  const [first] = await feed.until((messages) => messages.length > 0);
  feed.drop();
  return first!.avatar;
}

describe('Avatar.provenance', () => {
  it('says who made a picture, with which model and prompt', async () => {
    const { generationId } = await anna.settle('by the sea', 1);
    const picture = await newest();
    expect(picture.provenance).toEqual({
      provider: 'sandbox',
      providerModelId: picture.generation.model!.providerModelId,
      prompt: 'by the sea',
      style: picture.style,
      generatedAt: picture.createdAt,
      digitalSourceType: 'http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia',
      hasContentCredentials: false,
      isSandbox: true,
    });
    const { generation: _generation, ...shown } = picture;
    expect(await fromEvents(generationId)).toEqual(shown);
  });

  it('has no model for an instant avatar', async () => {
    const [photoId] = await anna.upload(1);
    const { id } = await anna.instant({ photoId, prompt: 'by the sea' });
    await anna.becomes('generation', id, 'COMPLETED');
    expect((await newest()).provenance).toMatchObject({ providerModelId: null, isSandbox: true });
  });
});

describe('Avatar.thumbhash', () => {
  it('is that of the picture, and an approximation until pictures of earlier versions are checked', async () => {
    await anna.settle('by the sea', 1);
    const { thumbhash, placeholder, width, height, url } = await newest();
    const preview = Buffer.from(await (await fetch(url)).arrayBuffer());
    const { data, info } = await sharp(preview)
      .resize(32, 32, { fit: 'inside' })
      .ensureAlpha()
      .raw()
      .toBuffer({ resolveWithObject: true });
    expect(thumbhash).toBe(thumbHashOf({ data, width: info.width, height: info.height }));

    await gateway.rows(`UPDATE avatars SET thumbhash = NULL, check_at = now() + interval '1 day'`);
    expect((await newest()).thumbhash).toBe(thumbHashOfBlurHash(placeholder, { width, height }));
    await gateway.rows('UPDATE avatars SET check_at = now()');
    await until(async () => (await newest()).thumbhash === thumbhash, 20_000);
  });
});
