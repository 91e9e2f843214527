import { randomBytes } from 'node:crypto';
import { DomainError } from './errors';

/**
 * A UUID of version 7 (RFC 9562): 48 bits of Unix milliseconds, then 74 random bits. Rows made later sort later,
 * which keeps indexes compact; made here and not in the database because PostgreSQL knows `uuidv7()` only from 18 on.
 */
export function newId(nowMs = Date.now()): string {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(nowMs, 0, 6);
  bytes[6] = 0x70 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return withDashes(bytes.toString('hex'));
}

/** What a global id may name; the prefix says which, so that `node(id)` needs no lookup to know. */
export const nodeKinds = {
  AvatarModel: 'model',
  Generation: 'generation',
  Avatar: 'avatar',
  Photo: 'photo',
} as const;

/** The GraphQL type that a global id names. */
export type NodeKind = keyof typeof nodeKinds;

const globalIdPattern = /^(model|generation|avatar|photo)_([0-9a-f]{32})$/;

/** The id that clients see: `model_0192…` (the type's prefix and the row's UUID without dashes). */
export function toGlobalId(kind: NodeKind, id: string): string {
  return `${nodeKinds[kind]}_${id.replaceAll('-', '')}`;
}

/** What a global id names, or null if it is none. */
export function readGlobalId(globalId: string): { kind: NodeKind; id: string } | null {
  const match = globalIdPattern.exec(globalId);
  if (!match) return null;
  const kind = (Object.keys(nodeKinds) as NodeKind[]).find((name) => nodeKinds[name] === match[1])!;
  return { kind, id: withDashes(match[2]!) };
}

/**
 * The row's UUID behind a global id of the wanted kind.
 * @throws DomainError NOT_FOUND, as for an id that does not exist
 */
export function fromGlobalId(kind: NodeKind, globalId: string, field = 'id'): string {
  const read = readGlobalId(globalId);
  if (read?.kind !== kind)
    throw new DomainError('NOT_FOUND', `There is no ${nodeKinds[kind]} with this id.`, { field });
  return read.id;
}

function withDashes(hex: string): string {
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
