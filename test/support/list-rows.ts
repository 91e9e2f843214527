import type { Client as Session } from 'pg';
import { newId, toGlobalId, type NodeKind } from '../../src/core/ids';
import type { Client } from './client';
import type { TestGateway } from './gateway';

/** A row that was inserted: its global id, its UUID and its time of creation. */
export interface ListRow {
  id: string;
  uuid: string;
  at: Date;
}

/** A page as {@link ListRows.read} selects it. */
export interface ListResult {
  nodes: { id: string }[];
  totalCount: number;
  pageInfo: { hasNextPage: boolean; hasPreviousPage: boolean; startCursor: string; endCursor: string };
}

/** The lists at the root, with the types of their filter and order. */
export const lists = {
  models: ['AvatarModelFilter', 'AvatarModelOrder'],
  generations: ['GenerationFilter', 'GenerationOrder'],
  avatars: ['AvatarFilter', 'AvatarOrder'],
  photos: ['PhotoFilter', 'PhotoOrder'],
} as const;

/** One of {@link lists}. */
export type ListName = keyof typeof lists;

/** The query of a list with all of its arguments. */
export function listQuery(list: ListName): string {
  const [filter, order] = lists[list];
  return `query ($first: Int, $after: String, $last: Int, $before: String, $filter: ${filter}, $orderBy: ${order}! = NEWEST) {
    page: ${list}(first: $first, after: $after, last: $last, before: $before, filter: $filter, orderBy: $orderBy) {
      nodes { id } totalCount pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`;
}

const day = 24 * 3_600_000;

/** Inserts rows into the database of a gateway without workers, each a day newer than the one before, and reads lists. */
export class ListRows {
  private createdMs = Date.UTC(2026, 0, 1);
  private position = 0;

  private constructor(
    private readonly client: Client,
    readonly database: Session,
  ) {}

  static async of(gateway: TestGateway): Promise<ListRows> {
    return new ListRows(gateway.client, await gateway.database.session());
  }

  async clear(): Promise<void> {
    await this.database.query('TRUNCATE models, generations, avatars, photos, model_photos CASCADE');
  }

  addModel(columns: Record<string, unknown> = {}): Promise<ListRow> {
    const { status = 'READY' } = columns;
    return this.insert('AvatarModel', 'models', {
      ...{ provider: 'sandbox', name: 'Model', type: 'DOG', photo_count: 5, provider_ref: newId() },
      ...(status === 'FAILED' && { failure_code: 'LOST', failure_message: 'No.', failure_retryable: true }),
      ...(status === 'READY' && { ready_at: new Date() }),
      ...{ status, ...columns },
    });
  }

  addGeneration(
    modelId: string | null = null,
    { styles = ['noir'], ...columns }: Record<string, unknown> & { styles?: string[] } = {},
  ): Promise<ListRow> {
    const { status = 'COMPLETED' } = columns;
    return this.insert('Generation', 'generations', {
      ...{ provider: 'sandbox', wanted: 3, provider_ref: newId(), model_id: modelId },
      prompts: JSON.stringify(styles.map((style) => ({ style, prompt: null, count: 1 }))),
      ...(status === 'COMPLETED' && { completed_at: new Date() }),
      ...{ status, ...columns },
    });
  }

  addAvatar(
    generationId: string,
    modelId: string | null = null,
    columns: Record<string, unknown> = {},
  ): Promise<ListRow> {
    this.position += 1;
    return this.insert('Avatar', 'avatars', {
      ...{ generation_id: generationId, model_id: modelId, position: this.position },
      ...{ status: 'STORED', style: 'noir', width: 512, height: 512, byte_size: 1, placeholder: 'L0' },
      ...{ content_type: 'image/jpeg', sha256: '0'.repeat(64) },
      ...(columns.status === 'PENDING' && { due_at: new Date() }),
      ...columns,
    });
  }

  addPhoto(columns: Record<string, unknown> = {}): Promise<ListRow> {
    return this.insert('Photo', 'photos', {
      ...{ status: 'REJECTED', purge_at: new Date(), width: 512, height: 512, byte_size: 1 },
      ...columns,
    });
  }

  /** Inserts a row into the table of a list. */
  async add(list: ListName): Promise<ListRow> {
    if (list === 'models') return this.addModel();
    if (list === 'photos') return this.addPhoto();
    const generation = await this.addGeneration();
    return list === 'avatars' ? this.addAvatar(generation.uuid) : generation;
  }

  async read(list: ListName, variables: object = {}): Promise<ListResult> {
    return (await this.client.request<{ page: ListResult }>(listQuery(list), variables)).page;
  }

  /** The ids of a list that has one page, as `totalCount` says. */
  async idsIn(list: ListName, variables: object = {}): Promise<string[]> {
    const page = await this.read(list, variables);
    if (page.totalCount !== page.nodes.length) {
      throw new Error(`totalCount is ${page.totalCount}; the page has ${page.nodes.length} nodes.`);
    }
    return page.nodes.map(({ id }) => id);
  }

  private async insert(kind: NodeKind, table: string, columns: Record<string, unknown>): Promise<ListRow> {
    this.createdMs += day;
    const [uuid, at] = [newId(this.createdMs), new Date(this.createdMs)];
    const row: Record<string, unknown> = { id: uuid, owner: 'local', created_at: at, ...columns };
    const names = Object.keys(row);
    const places = names.map((_, index) => `$${index + 1}`);
    await this.database.query(
      `INSERT INTO ${table} (${names.join(', ')}) VALUES (${places.join(', ')})`,
      Object.values(row),
    );
    return { id: toGlobalId(kind, uuid), uuid, at };
  }
}
