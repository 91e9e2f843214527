import { Caller } from './caller';
import { generateMutation, trainModelMutation, type Slot } from './client';
import type { TestGateway } from './gateway';
import { signed } from './issuer';
import { facePhoto } from './pictures';
import { SocketClient } from './socket-client';
import { until } from './until';

/** The secret of tokens in these tests. */
const secret = 'a secret that two programs share, 40 bytes';

/** Settings of a gateway with authentication. */
export const jwtSettings = { AUTH: 'jwt', JWT_SECRET: secret };

/** The response to an erasure. */
export interface Receipt {
  receipt: string;
  erasedAt: string;
  completedAt: string | null;
  counts: { photos: number; models: number; generations: number; avatars: number };
}

const receiptFields = 'receipt erasedAt completedAt counts { photos models generations avatars }';

/** A client with a token that uses the API as one person. */
export class Person {
  private constructor(
    private readonly gateway: TestGateway,
    readonly name: string,
    readonly token: string,
    readonly caller: Caller,
  ) {}

  static async of(gateway: TestGateway, name: string): Promise<Person> {
    return Person.with(gateway, name, await signed(secret, { subject: name, endsInSeconds: 3_000 }));
  }

  /** @param token - or an API key */
  static with(gateway: TestGateway, name: string, token: string): Person {
    return new Person(gateway, name, token, new Caller(() => gateway.url, token));
  }

  /** Creates upload slots for photos of up to so many bytes. */
  async slots(count: number, filename = 'me.jpg', byteSize = 1_000_000): Promise<Slot[]> {
    const files = Array.from({ length: count }, () => ({ filename, contentType: 'image/jpeg', byteSize }));
    const { createPhotoUploads } = await this.caller.take<{ createPhotoUploads: { uploads: Slot[] } }>(
      'mutation ($input: CreatePhotoUploadsInput!) { createPhotoUploads(input: $input) { uploads { photo { id } uploadUrl headers { name value } } } }',
      { input: { files } },
    );
    return createPhotoUploads.uploads;
  }

  /** Uploads drawn faces under the given name and returns the photos' ids. */
  async upload(count: number, filename?: string): Promise<string[]> {
    const faces = await Promise.all(
      Array.from({ length: count }, (_, seed) => facePhoto(seed, { width: 640 })),
    );
    const slots = await this.slots(count, filename);
    const answers = await Promise.all(
      slots.map((slot, index) =>
        fetch(slot.uploadUrl, { method: 'PUT', body: new Uint8Array(faces[index]!) }),
      ),
    );
    const bad = answers.find(({ status }) => status !== 201);
    if (bad) throw new Error(`A photo was rejected: ${await bad.text()}`);
    return slots.map(({ photo }) => photo.id);
  }

  async train(input: object): Promise<string> {
    const { trainModel } = await this.caller.take<{ trainModel: { model: { id: string } } }>(
      trainModelMutation,
      { input: { type: 'WOMAN', ...input } },
    );
    return trainModel.model.id;
  }

  async generate(modelId: string, prompts: readonly object[]): Promise<string> {
    const { generateAvatars } = await this.caller.take<{ generateAvatars: { generation: { id: string } } }>(
      generateMutation,
      { input: { modelId, prompts } },
    );
    return generateAvatars.generation.id;
  }

  /** Waits until a model or generation has the state, and fails if it has another end state. */
  async becomes(kind: 'model' | 'generation' | 'photo', id: string, wanted: string): Promise<void> {
    const ends = ['READY', 'COMPLETED', 'PARTIAL', 'FAILED', 'CANCELLED', 'PURGED', 'REJECTED'];
    let status = '';
    await until(async () => {
      const answer = await this.caller.take<{ it: { status: string } }>(
        `query ($id: ID!) { it: ${kind}(id: $id) { status } }`,
        { id },
      );
      status = answer.it.status;
      return status === wanted || (kind !== 'photo' && ends.includes(status));
    });
    if (status !== wanted) throw new Error(`The ${kind} is ${status}, expected ${wanted}.`);
  }

  /** Creates a READY model with a finished generation. */
  async settle(
    prompt = 'by the sea',
    count = 2,
  ): Promise<{ modelId: string; generationId: string; photoIds: string[] }> {
    const photoIds = await this.upload(5);
    const modelId = await this.train({ photoIds, name: `model of ${this.name}` });
    await this.becomes('model', modelId, 'READY');
    const generationId = await this.generate(modelId, [{ prompt, count }]);
    await this.becomes('generation', generationId, 'COMPLETED');
    return { modelId, generationId, photoIds };
  }

  /** Opens an authenticated WebSocket. */
  connect(): Promise<SocketClient> {
    return SocketClient.greeted(this.gateway.url, { authorization: `Bearer ${this.token}` });
  }

  async erase(revokeKeys = false): Promise<Receipt> {
    const { deleteMyData } = await this.caller.take<{ deleteMyData: Receipt }>(
      `mutation ($revokeKeys: Boolean!) { deleteMyData(confirm: "DELETE", revokeKeys: $revokeKeys) { ${receiptFields} } }`,
      { revokeKeys },
    );
    return deleteMyData;
  }

  /** Reads the erasure of a receipt without authentication of its owner. */
  async erasure(receipt: string): Promise<Receipt | null> {
    const { erasure } = await this.caller.take<{ erasure: Receipt | null }>(
      `query ($receipt: ID!) { erasure(receipt: $receipt) { ${receiptFields} } }`,
      { receipt },
    );
    return erasure;
  }
}
