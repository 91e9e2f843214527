import { randomUUID } from 'node:crypto';
import { notFound } from './errors';

/**
 * A UUID version 7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits. Later rows sort later, which keeps
 * indexes compact. Generated here because PostgreSQL supports `uuidv7()` only since version 18.
 */
export function newId(nowMs = Date.now()): string {
  const time = nowMs.toString(16).padStart(12, '0');
  // Node draws random bytes for many UUIDs at once. Of version 4, only the time and the version differ.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}

/** The first id that {@link newId} could make at a time; times outside its range count as the nearest one within. */
export function firstIdAt(ms: number): string {
  const hex = Math.min(Math.max(Math.floor(ms), 0), 2 ** 48 - 1).toString(16);
  return withDashes(`${hex.padStart(12, '0')}70008000000000000000`);
}

/** When {@link newId} made a UUID, in Unix milliseconds. */
export function timeOfId(id: string): number {
  return parseInt(id.slice(0, 13).replace('-', ''), 16);
}

/** The types that have global ids, with their prefixes. The prefix lets `node(id)` find the type without a lookup. */
export const nodeKinds = {
  AvatarModel: 'model',
  Generation: 'generation',
  Avatar: 'avatar',
  Photo: 'photo',
  Notice: 'notice',
  ClientToken: 'token',
  LedgerEntry: 'ledger',
  Webhook: 'webhook',
  WebhookDelivery: 'delivery',
} as const;

/** The GraphQL type of a global id. */
export type NodeKind = keyof typeof nodeKinds;

const globalIdPattern = new RegExp(`^(${Object.values(nodeKinds).join('|')})_([0-9a-f]{32})$`);

/** The id in the API: the type's prefix and the row's UUID without dashes, such as `model_0192…`. */
export function toGlobalId(kind: NodeKind, id: string): string {
  return `${nodeKinds[kind]}_${id.replaceAll('-', '')}`;
}

/** SQL of {@link toGlobalId}, for the SQL of a UUID. */
export function globalIdSql(kind: NodeKind, id: string): string {
  return `'${nodeKinds[kind]}_' || encode(uuid_send(${id}), 'hex')`;
}

/** The type and UUID of a global id; null if the text is not a global id. */
export function readGlobalId(globalId: string): { kind: NodeKind; id: string } | null {
  const match = globalIdPattern.exec(globalId);
  if (!match) return null;
  const kind = (Object.keys(nodeKinds) as NodeKind[]).find((name) => nodeKinds[name] === match[1])!;
  return { kind, id: withDashes(match[2]!) };
}

/**
 * The UUID of a global id of the expected type.
 * @throws DomainError NOT_FOUND, as for an id that does not exist
 */
export function fromGlobalId(kind: NodeKind, globalId: string, field = 'id'): string {
  return uuidOf(readInputId(kind, globalId, field));
}

/** An id in the input of a mutation, as its resolver has decoded it. */
export interface InputId {
  readonly kind: NodeKind;
  /** The path of the field. */
  readonly field: string;
  /** Null if the text is not a global id of this type. */
  readonly uuid: string | null;
}

/** Decodes an id in the input of a mutation. Does not throw, so that the service names all problems at once. */
export function readInputId(kind: NodeKind, globalId: string, field = 'input.id'): InputId {
  const parsed = readGlobalId(globalId);
  return { kind, field, uuid: parsed?.kind === kind ? parsed.id : null };
}

/** @throws DomainError NOT_FOUND, as for an id that does not exist */
export function uuidOf({ kind, field, uuid }: InputId): string {
  if (uuid === null) throw notFound(nodeKinds[kind], field);
  return uuid;
}

function withDashes(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
