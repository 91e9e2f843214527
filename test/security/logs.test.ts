import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '../support/client';
import { TestGateway } from '../support/gateway';
import { PhotoHost } from '../support/photo-host';
import { until } from '../support/until';

const promptText = 'wearing-a-purple-hat-in-the-rain';
const fileName = 'grandmother-at-the-lake.jpg';
const secretQuery = 'sesame=secret-value';

let gateway: TestGateway;
let client: Client;
let host: PhotoHost;

beforeAll(async () => {
  host = await PhotoHost.start();
  gateway = await TestGateway.start({ LOG_LEVEL: 'trace', PHOTO_URL_ALLOW: '127.0.0.1' });
  client = new Client(() => gateway.url);
});

afterAll(async () => {
  await gateway.stop();
  await host.stop();
});

/** Signatures of all URLs that the gateway has issued. */
const signaturesIn = (text: string): string[] =>
  [...text.matchAll(/signature=([A-Za-z0-9_-]{20,})/g)].map((match) => match[1]!);

describe('logs and metrics', () => {
  it('record events without photos, prompts, signatures or keys', async () => {
    const { createPhotoUploads } = await client.request<{ createPhotoUploads: unknown }>(
      `mutation { createPhotoUploads(input: { files: [{ filename: "${fileName}", contentType: "image/jpeg", byteSize: 10 }] }) { uploads { uploadUrl } } }`,
    );
    const modelId = await client.trained(await client.upload(5));
    await gateway.sandbox.fault({ on: 'generate', kind: 'html', times: 1 });
    const unclear = await client.generate(modelId, [{ prompt: promptText }]);
    // The fault is of this call, not of the next one.
    const ask = `{ generation(id: "${unclear.id}") { status } }`;
    await until(async () => {
      const { generation } = await client.request<{ generation: { status: string } }>(ask);
      return generation.status === 'UNCERTAIN';
    });
    const { id } = await client.generate(modelId, [{ prompt: promptText }]);
    await client.generationEnd(id);
    await client.refusal(
      `mutation { generateAvatars(input: { modelId: "${modelId}", prompts: [{ style: "${promptText}" }] }) { generation { id } } }`,
    );
    const { model } = await client.request<{ model: unknown }>(
      `{ model(id: "${modelId}") { photos { url } avatars { nodes { url } } } }`,
    );
    const bad = await client.request<{ trainModel: { model: { id: string } } }>(
      `mutation ($urls: [URL!]!) { trainModel(input: { type: CAT, photoUrls: $urls }) { model { id } } }`,
      { urls: [1, 2, 3, 4, 5].map((n) => `${gateway.url}/nothing-${n}.jpg?${secretQuery}`) },
    );
    await client.modelEnd(bad.trainModel.model.id);

    const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
    const received = `${JSON.stringify(gateway.log)}\n${metrics}`;
    const given = JSON.stringify({ createPhotoUploads, model });
    const signingSecret = await readFile(join(gateway.dataDir, 'signing-secret'), 'utf8');
    const secrets = [
      promptText,
      fileName,
      secretQuery,
      gateway.sandbox.apiKey,
      signingSecret.trim(),
      ...signaturesIn(given),
    ];

    // The logs still contain what an operator needs.
    expect(received).toContain(unclear.id);
    expect(received).toContain('likeness_jobs');
    expect(signaturesIn(given).length).toBeGreaterThan(5);
    expect(secrets.filter((secret) => received.includes(secret))).toEqual([]);
    expect(received).not.toMatch(/signature=/);
  });
});
