import sharp from 'sharp';
import { StyleExamples } from '../../src/generations/style-examples';
import { picsartFacts, picsartStyles } from '../../src/upstream/picsart/facts';
import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';
import { send } from '../support/raw-client';

interface Style {
  key: string;
  exampleUrl: string | null;
}

const query = '{ capabilities { providers { styles { key exampleUrl } } } styles { key exampleUrl } }';

const stylesOf = async (gateway: TestGateway): Promise<Style[]> => {
  const { capabilities, styles } = await (
    await Client.of(gateway, 'anna')
  ).request<{
    capabilities: { providers: { styles: Style[] }[] };
    styles: Style[];
  }>(query);
  expect(capabilities.providers[0]!.styles).toEqual(styles);
  return styles;
};

describe('the example pictures of styles', () => {
  let gateway: TestGateway;
  let styles: Style[];

  beforeAll(async () => {
    gateway = await TestGateway.start(jwtSettings);
    styles = await stylesOf(gateway);
  });
  afterAll(() => gateway.stop());

  it('show each style of the sandbox, without authentication', async () => {
    expect(styles).toHaveLength(8);
    const pictures = await Promise.all(
      styles.map(async ({ exampleUrl }) => {
        const response = await fetch(exampleUrl!);
        expect(response.status).toBe(200);
        expect(Object.fromEntries(response.headers)).toMatchObject({
          'content-type': 'image/jpeg',
          'cache-control': 'public, max-age=86400',
          etag: expect.stringMatching(/^"[0-9a-f]{64}"$/) as string,
          'x-content-type-options': 'nosniff',
          'cross-origin-resource-policy': 'cross-origin',
        });
        return Buffer.from(await response.arrayBuffer());
      }),
    );
    for (const bytes of pictures) {
      expect(await sharp(bytes).metadata()).toMatchObject({ format: 'jpeg', width: 512, height: 512 });
      expect(bytes.length).toBeLessThan(200_000);
    }
    expect(new Set(pictures.map((bytes) => bytes.toString('base64'))).size).toBe(styles.length);
  });

  it('answer HEAD, known ETags and ranges', async () => {
    const url = styles[0]!.exampleUrl!;
    const whole = await fetch(url);
    const bytes = Buffer.from(await whole.arrayBuffer());
    const etag = whole.headers.get('etag')!;
    const head = await send(url, { method: 'HEAD' });
    expect({ status: head.status, text: head.text }).toEqual({ status: 200, text: '' });
    expect(head.headers).toMatchObject({ etag, 'content-length': String(bytes.length) });
    const known = await send(url, { headers: { 'if-none-match': etag } });
    expect({ status: known.status, text: known.text }).toEqual({ status: 304, text: '' });
    const part = await fetch(url, { headers: { range: 'bytes=10-19' } });
    expect([part.status, Buffer.from(await part.arrayBuffer())]).toEqual([206, bytes.subarray(10, 20)]);
    expect((await send(url, { method: 'POST' })).status).toBe(405);
  });

  it.each([
    ...['oil.jpg', 'realistic', 'realistic.png', 'REALISTIC.jpg', 'realistic.jpg/', '.jpg', '__proto__.jpg'],
    ...['..%2f..%2fpackage.json', '../styles', '%00.jpg', '%', `${'x'.repeat(4_000)}.jpg`, 'constructor.jpg'],
  ])('answer 404 to every other path: %p', async (file) => {
    const { status, text } = await send(`${gateway.url}/media/styles/${file}`);
    expect(status).toBe(404);
    expect(JSON.parse(text)).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('have the same paths and the same content in every process', async () => {
    const other = await gateway.startAnother({});
    const { pathname } = new URL(styles[1]!.exampleUrl!);
    expect((await stylesOf(other))[1]!.exampleUrl).toBe(`${other.url}${pathname}`);
    const etags = await Promise.all(
      [gateway, other].map(async ({ url }) => (await send(`${url}${pathname}`)).headers.etag),
    );
    expect(etags[0]).toBe(etags[1]);
  });
});

describe('the example pictures of a provider', () => {
  const facts = picsartFacts(1, picsartStyles);
  const [style] = picsartStyles;
  const publicUrl = (): string => 'https://avatars.example.com';

  it('are none if it publishes none', async () => {
    const examples = new StyleExamples({ facts }, publicUrl);
    expect(examples.urlOf(style!)).toBeNull();
    await expect(examples.find('realistic.jpg')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('are its own if it publishes them', async () => {
    const published = { ...style!, exampleUrl: 'https://pictures.example.com/realistic.jpg' };
    const drawExample = (): Promise<Buffer> => Promise.resolve(Buffer.from('drawn'));
    const examples = new StyleExamples({ facts: { ...facts, styles: [published] }, drawExample }, publicUrl);
    expect(examples.urlOf(published)).toBe(published.exampleUrl);
    await expect(examples.find('realistic.jpg')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('have URLs under the public URL if it draws them', () => {
    const drawExample = (): Promise<Buffer> => Promise.resolve(Buffer.from('drawn'));
    const examples = new StyleExamples({ facts, drawExample }, publicUrl);
    expect(examples.urlOf({ ...style!, id: 'pop art' })).toBe(
      'https://avatars.example.com/media/styles/pop%20art.jpg',
    );
  });

  it('are drawn once, one after the other, and again after an error', async () => {
    const drawn: string[] = [];
    let running = 0;
    const drawExample = async (id: string): Promise<Buffer> => {
      expect((running += 1)).toBe(1);
      drawn.push(id);
      await new Promise(setImmediate);
      running -= 1;
      if (drawn.length === 1) throw new Error('no memory');
      return id === 'large' ? Buffer.alloc(1_000_001) : Buffer.from(id);
    };
    const drawnStyles = ['one', 'two', 'large'].map((id) => ({ ...style!, id }));
    const examples = new StyleExamples({ facts: { ...facts, styles: drawnStyles }, drawExample }, publicUrl);
    const find = (): Promise<string[]> =>
      Promise.all(
        ['one', 'one', 'two', 'two', 'large'].map((id) =>
          examples.find(`${id}.jpg`).then(
            () => 'found',
            (error: unknown) => (error as Error).message,
          ),
        ),
      );
    const tooLarge = 'The example picture of a style is too large.';
    expect(await find()).toEqual(['no memory', 'no memory', 'found', 'found', tooLarge]);
    expect(await find()).toEqual(['found', 'found', 'found', 'found', tooLarge]);
    expect(drawn).toEqual(['one', 'two', 'large', 'one', 'large']);
  });
});
