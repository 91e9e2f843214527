import { pruneAudit } from '../../src/accounts/audit.repository';
import { fromGlobalId, newId, toGlobalId } from '../../src/core/ids';
import type { Database } from '../../src/database/database';
import { jwtSettings, Client } from '../support/client';
import { likeness } from '../support/command-line';
import { TestGateway } from '../support/gateway';
import { GraphQLClient } from '../support/graphql-client';

/** Photos that are never fetched, since there are no workers. */
const photoUrls = [1, 2, 3, 4, 5].map((n) => `https://photos.example.com/${n}.jpg`);

const trained = async (owner: Client, idempotencyKey?: string): Promise<string> =>
  (await owner.train({ photoUrls, idempotencyKey })).id;

describe('the audit log', () => {
  let gateway: TestGateway;
  let sql: Database;

  beforeAll(async () => {
    gateway = await TestGateway.start({ ROLE: 'api', ...jwtSettings, AUTH: 'jwt,keys' });
    sql = await gateway.database.pool(2);
  });
  afterAll(async () => {
    await gateway.stop();
  });

  const entriesOf = (owner: string): Promise<unknown[]> =>
    sql.rows('SELECT actor, action, subject, details FROM audit_log WHERE owner = $1 ORDER BY at', [owner]);
  const remove = (mutation: string, id: string): string =>
    `mutation { ${mutation}(input: { id: "${id}" }) { deletedId } }`;

  it('records each paid or deleting mutation once, without prompts, names or addresses', async () => {
    const owner = await Client.of(gateway);
    const modelId = await trained(owner, 'a-key');
    await trained(owner, 'a-key');
    const { id: generationId } = await owner.instant({
      photoUrl: photoUrls[0],
      prompt: 'a portrait',
      count: 3,
    });
    const avatarId = toGlobalId('Avatar', await aStoredAvatar(generationId, owner.name));
    const photoId = toGlobalId('Photo', await aPhotoOf(owner.name));
    for (const request of [
      remove('deleteAvatar', avatarId),
      remove('deletePhoto', photoId),
      remove('deleteGeneration', generationId),
      remove('deleteModel', modelId),
      remove('deleteModel', modelId),
    ]) {
      expect((await owner.post(request)).errors).toBeUndefined();
    }
    const actor = owner.name;
    expect(await entriesOf(owner.name)).toEqual([
      { actor, action: 'trainModel', subject: modelId, details: { photos: 5 } },
      { actor, action: 'generateInstantAvatars', subject: generationId, details: { avatars: 3 } },
      { actor, action: 'deleteAvatar', subject: avatarId, details: {} },
      { actor, action: 'deletePhoto', subject: photoId, details: {} },
      { actor, action: 'deleteGeneration', subject: generationId, details: {} },
      { actor, action: 'deleteModel', subject: modelId, details: {} },
    ]);
  });

  it("records no rejected mutation and none on another owner's data", async () => {
    const [owner, otherOwner] = [await Client.of(gateway), await Client.of(gateway)];
    const modelId = await trained(owner);
    await otherOwner.post(remove('deleteModel', modelId));
    await otherOwner.post('mutation ($id: ID!) { retryModel(input: { id: $id }) { model { id } } }', {
      id: modelId,
    });
    expect(await entriesOf(otherOwner.name)).toEqual([]);
    expect(await entriesOf(owner.name)).toHaveLength(1);
  });

  it('records the API key that acted for a user', async () => {
    const environment = { DATABASE_URL: gateway.database.url };
    const { out: key } = await likeness(environment, 'keys', 'create', '--owner', 'acme', '--on-behalf');
    const photoId = toGlobalId('Photo', await aPhotoOf('@acme/bob'));
    const headers = { 'x-likeness-owner': 'bob' };
    await new GraphQLClient(() => gateway.url, { token: key, headers }).post(remove('deletePhoto', photoId));
    expect(await entriesOf('@acme/bob')).toEqual([
      { actor: `key:${key.split('_')[1]!}`, action: 'deletePhoto', subject: photoId, details: {} },
    ]);
  });

  it('deletes entries after their retention period', async () => {
    const owner = await Client.of(gateway);
    await trained(owner);
    await trained(owner);
    await sql.rows(
      `UPDATE audit_log SET at = at - interval '2 days'
        WHERE id = (SELECT id FROM audit_log WHERE owner = $1 ORDER BY at LIMIT 1)`,
      [owner.name],
    );
    expect(await pruneAudit(sql, 3 * 86_400_000)).toBe(0);
    expect(await pruneAudit(sql, 86_400_000)).toBe(1);
    expect(await entriesOf(owner.name)).toHaveLength(1);
  });

  /** There are no workers, so a picture is written directly. */
  async function aStoredAvatar(generationId: string, owner: string): Promise<string> {
    const id = newId();
    await sql.rows(
      `INSERT INTO avatars (id, owner, generation_id, position, status, style, width, height, byte_size, content_type, sha256, placeholder)
       VALUES ($1, $2, $3, 0, 'STORED', 'instant', 512, 512, 1000, 'image/png', repeat('0', 64), 'LEHV6nWB2yk8pyo0adR*.7kCMdnj')`,
      [id, owner, fromGlobalId('Generation', generationId)],
    );
    return id;
  }

  async function aPhotoOf(owner: string): Promise<string> {
    const id = newId();
    await sql.rows(`INSERT INTO photos (id, owner, status) VALUES ($1, $2, 'AWAITING_UPLOAD')`, [id, owner]);
    return id;
  }
});
