import { randomBytes } from 'node:crypto';
import type { AvatarEntity } from './avatar.entity';

/** What the names of an avatar's bytes are made of. */
export type AvatarMedia = Pick<AvatarEntity, 'id' | 'mediaToken'>;

/** A token for the names of new bytes. No two attempts share one, so no attempt can replace what another has stored. */
export const newMediaToken = (): string => randomBytes(8).toString('hex');

/** Pictures that were stored before names had a token have none. */
const stemOf = ({ id, mediaToken }: AvatarMedia): string =>
  mediaToken === null ? `avatars/${id}` : `avatars/${id}.${mediaToken}`;

/** The media key of an avatar's picture. */
export const avatarKey = (avatar: AvatarMedia): string => `${stemOf(avatar)}.picture`;

/** The media key of its preview. */
export const previewKey = (avatar: AvatarMedia): string => `${stemOf(avatar)}.preview.jpg`;

/** Both. */
export const avatarKeys = (avatar: AvatarMedia): string[] => [avatarKey(avatar), previewKey(avatar)];
