import { newId } from '../../src/core/ids';
import type { TestGateway } from './gateway';
import { signed } from './issuer';
import { askAs } from './known-client';
import type { Answer } from './tiny-gateway';

/** The JWT_SECRET of gateways with such owners. */
export const ownerSecret = 'a secret that two programs share, 40 bytes';
const trainModel =
  'mutation ($input: TrainModelInput!) { trainModel(input: $input) { model { id status } } }';
const photoUrls = [1, 2, 3, 4, 5].map((n) => `https://photos.example.com/${n}.jpg`);

/** A client with a unique owner name, so that tests do not share quotas. */
export class Owner {
  private constructor(
    private readonly url: () => string,
    private readonly token: string,
    readonly name: string,
  ) {}

  static async of(gateway: TestGateway): Promise<Owner> {
    const name = `owner-${newId()}`;
    return new Owner(() => gateway.url, await signed(ownerSecret, { subject: name }), name);
  }

  ask(query: string, variables?: unknown): Promise<Answer> {
    return askAs(this.url(), this.token, query, { variables });
  }

  /** Starts a training with photos that are never fetched. */
  train(idempotencyKey?: string): Promise<Answer> {
    return this.ask(trainModel, { input: { name: 'Me', type: 'WOMAN', photoUrls, idempotencyKey } });
  }

  /** Starts a training and returns the global id. */
  async trained(idempotencyKey?: string): Promise<string> {
    const { data, errors } = await this.train(idempotencyKey);
    if (errors) throw new Error(JSON.stringify(errors));
    return (data as { trainModel: { model: { id: string } } }).trainModel.model.id;
  }

  /** Requests avatars from one photo. */
  async instant(count: number): Promise<Answer> {
    const input = { photoUrl: photoUrls[0], prompt: 'a portrait', count };
    return this.ask(
      'mutation ($input: GenerateInstantAvatarsInput!) { generateInstantAvatars(input: $input) { generation { id } } }',
      { input },
    );
  }

  /** The owner's current use of quotas. */
  async usage(): Promise<unknown> {
    const { data } = await this.ask('{ viewer { usage { trainingsToday avatarsToday running } } }');
    return (data as { viewer: { usage: unknown } }).viewer.usage;
  }
}
