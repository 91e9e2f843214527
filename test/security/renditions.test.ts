import { Client, jwtSettings } from '../support/client';
import { TestGateway } from '../support/gateway';

const variants = ['PX_128', 'PX_512', 'PX_1024', 'ORIGINAL'].flatMap((size) =>
  ['JPEG', 'WEBP', 'AVIF'].map((format) => `(size: ${size}, format: ${format})`),
);

/** URLs of renditions that are not made yet. */
async function urlsOf(person: Client): Promise<string[]> {
  const fields = variants.map((args, index) => `u${index}: url${args}`).join(' ');
  const { avatars } = await person.request<{ avatars: { nodes: Record<string, string>[] } }>(
    `{ avatars { nodes { ${fields} } } }`,
  );
  return avatars.nodes.flatMap((avatar) => Object.values(avatar));
}

describe('demands for renditions', () => {
  let gateway: TestGateway;

  beforeAll(async () => {
    gateway = await TestGateway.start(jwtSettings);
  });
  afterAll(() => gateway.stop());

  it('of one owner are limited, and do not delay another owner', async () => {
    const [many, one] = await Promise.all(['mallory', 'bob'].map((owner) => Client.of(gateway, owner)));
    await Promise.all([many!.settle('by the sea', 10), one!.settle('by the sea', 1)]);
    const urls = await urlsOf(many!);
    expect(urls.length).toBe(120);
    const answers: Response[] = [];
    const demands = urls.map(async (url) => {
      const response = await fetch(url);
      answers.push(response);
      await response.arrayBuffer();
    });
    while (!answers.some(({ status }) => status === 503)) await Promise.race(demands.splice(0, 1));
    const refused = answers.find(({ status }) => status === 503)!;
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);

    const [url] = await urlsOf(one!);
    expect((await fetch(url!)).status).toBe(200);
    expect(answers.length).toBeLessThan(urls.length);
    // Uploads and new pictures use the same image processor.
    await one!.settle('by the sea', 1);
    await Promise.all(demands);
    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    for (const outcome of ['made', 'refused'])
      expect(metrics).toMatch(new RegExp(`^likeness_renditions_total\\{outcome="${outcome}"\\} [1-9]`, 'm'));
  });
});
