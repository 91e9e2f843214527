import { jwtSettings, Client } from '../support/client';
import { TestGateway } from '../support/gateway';

const train = `mutation ($input: TrainModelInput!) {
  trainModel(input: $input) { model { id consentVersion consentAt } } }`;
const instant = `mutation ($input: GenerateInstantAvatarsInput!) {
  generateInstantAvatars(input: $input) { generation { id consentVersion consentAt } } }`;

interface Consented {
  id: string;
  consentVersion: string | null;
  consentAt: string | null;
}

describe('consent', () => {
  let gateway: TestGateway;
  let anna: Client;
  let photoIds: string[];

  const trained = async (consent: object | undefined, rest: object = {}): Promise<Consented> => {
    const { trainModel } = await anna.request<{ trainModel: { model: Consented } }>(train, {
      input: { type: 'CAT', photoIds, consent, ...rest },
    });
    return trainModel.model;
  };
  const refusalOf = async (query: string, input: object): Promise<unknown> => {
    const { errors } = await anna.execute('HTTP', { query, variables: { input } });
    return errors?.map(({ extensions }) => extensions);
  };

  describe('where required', () => {
    beforeAll(async () => {
      gateway = await TestGateway.start({ ...jwtSettings, REQUIRE_CONSENT: '2026-01' });
      anna = await Client.of(gateway, 'anna');
      photoIds = await anna.upload(5);
    });
    afterAll(() => gateway.stop());

    const required = [{ code: 'CONSENT_REQUIRED', field: 'input.consent', version: '2026-01' }];

    it.each([
      ['none', undefined],
      ['one to another text', { version: '2025-12' }],
      ['one to something like the text', { version: '2026-01 ' }],
    ])('rejects a training and instant avatars with %s', async (_, consent) => {
      expect(await refusalOf(train, { type: 'CAT', photoIds, consent })).toMatchObject(required);
      expect(await refusalOf(instant, { photoId: photoIds[0], prompt: 'p', consent })).toMatchObject(
        required,
      );
    });

    it('stores version and time with the model, and returns them in every response', async () => {
      const givenAt = '2026-01-31T12:34:56.789Z';
      const model = await trained({ version: '2026-01', givenAt });
      expect(model).toMatchObject({ consentVersion: '2026-01', consentAt: givenAt });
      const received = await anna.execute('WebSocket', {
        query: `subscription ($id: ID!) { trainingProgress(modelId: $id) { model { consentVersion consentAt } } }`,
        variables: { id: model.id },
      });
      expect(received.data).toEqual({
        trainingProgress: { model: { consentVersion: '2026-01', consentAt: givenAt } },
      });
      await anna.becomes('model', model.id, 'READY');
      // Avatars of a model need no separate consent.
      await anna.generate(model.id, [{ count: 1 }]);
    });

    it('uses the time of the mutation if no time is given', async () => {
      const beganMs = Date.now();
      const { consentAt } = await trained({ version: '2026-01' });
      expect(Date.parse(consentAt!)).toBeGreaterThanOrEqual(beganMs);
      expect(Date.parse(consentAt!)).toBeLessThanOrEqual(Date.now());
    });

    it('stores the consent of instant avatars', async () => {
      const { generateInstantAvatars } = await anna.request<{
        generateInstantAvatars: { generation: Consented };
      }>(instant, { input: { photoId: photoIds[0], prompt: 'p', consent: { version: '2026-01' } } });
      expect(generateInstantAvatars.generation).toMatchObject({ consentVersion: '2026-01' });
    });

    it('accepts a repeated mutation with a different consent time', async () => {
      const idempotencyKey = 'with-consent';
      const first = await trained(
        { version: '2026-01', givenAt: '2026-01-01T00:00:00Z' },
        { idempotencyKey },
      );
      const again = await trained(
        { version: '2026-01', givenAt: '2026-01-01T00:00:09Z' },
        { idempotencyKey },
      );
      expect(again).toEqual(first);
    });

    it('rejects a consent time in the future', async () => {
      const givenAt = new Date(Date.now() + 86_400_000).toISOString();
      expect(
        await refusalOf(train, { type: 'CAT', photoIds, consent: { version: '2026-01', givenAt } }),
      ).toMatchObject([{ code: 'INVALID_INPUT', field: 'input.consent.givenAt' }]);
    });
  });

  describe('where not required', () => {
    beforeAll(async () => {
      gateway = await TestGateway.start(jwtSettings);
      anna = await Client.of(gateway, 'anna');
      photoIds = await anna.upload(5);
    });
    afterAll(() => gateway.stop());

    it('is optional, and is stored if given', async () => {
      expect(await trained(undefined)).toMatchObject({ consentVersion: null, consentAt: null });
      expect(await trained({ version: 'ours-7' })).toMatchObject({ consentVersion: 'ours-7' });
      expect(
        await refusalOf(train, { type: 'CAT', photoIds, consent: { version: 'two words' } }),
      ).toMatchObject([{ code: 'INVALID_INPUT', field: 'input.consent.version' }]);
    });
  });
});
