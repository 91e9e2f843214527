import { newId } from '../../src/core/ids';
import { Client, tokenOf } from './client';
import type { TestGateway } from './gateway';

/** The response to an erasure. */
export interface Receipt {
  receipt: string;
  erasedAt: string;
  completedAt: string | null;
  counts: { photos: number; models: number; generations: number; avatars: number };
}

const receiptFields = 'receipt erasedAt completedAt counts { photos models generations avatars }';

/** A client that uses the API as one person. */
export class Person extends Client {
  private constructor(
    gateway: TestGateway,
    readonly name: string,
    token: string,
  ) {
    super(() => gateway.url, { token });
  }

  /** @param name - by default a new one, so that tests do not share quotas */
  static override async of(gateway: TestGateway, name = `owner-${newId()}`): Promise<Person> {
    return Person.with(gateway, name, await tokenOf(name));
  }

  /** @param token - or an API key */
  static with(gateway: TestGateway, name: string, token: string): Person {
    return new Person(gateway, name, token);
  }

  /** Creates a READY model with a finished generation. */
  async settle(
    prompt = 'by the sea',
    count = 2,
  ): Promise<{ modelId: string; generationId: string; photoIds: string[] }> {
    const photoIds = await this.upload();
    const { id: modelId } = await this.train({ photoIds, name: `model of ${this.name}` });
    await this.becomes('model', modelId, 'READY');
    const { id: generationId } = await this.generate(modelId, [{ prompt, count }]);
    await this.becomes('generation', generationId, 'COMPLETED');
    return { modelId, generationId, photoIds };
  }

  async erase(revokeKeys = false): Promise<Receipt> {
    const { deleteMyData } = await this.request<{ deleteMyData: Receipt }>(
      `mutation ($revokeKeys: Boolean!) { deleteMyData(confirm: "DELETE", revokeKeys: $revokeKeys) { ${receiptFields} } }`,
      { revokeKeys },
    );
    return deleteMyData;
  }

  /** Reads the erasure of a receipt without authentication of its owner. */
  async erasure(receipt: string): Promise<Receipt | null> {
    const { erasure } = await this.request<{ erasure: Receipt | null }>(
      `query ($receipt: ID!) { erasure(receipt: $receipt) { ${receiptFields} } }`,
      { receipt },
    );
    return erasure;
  }
}
