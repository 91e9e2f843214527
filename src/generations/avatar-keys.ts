import { randomBytes } from 'node:crypto';
import type { AvatarEntity } from './avatar.entity';

/** The columns that determine an avatar's media keys. */
export type AvatarMedia = Pick<AvatarEntity, 'id' | 'mediaToken'>;

/** A unique token for the media keys of a try, so that no try can replace bytes of another. */
export const newMediaToken = (): string => randomBytes(8).toString('hex');

/** Pictures stored by older versions have no token. */
const stemOf = ({ id, mediaToken }: AvatarMedia): string =>
  mediaToken === null ? `avatars/${id}` : `avatars/${id}.${mediaToken}`;

/** The media key of an avatar's picture. */
export const avatarKey = (avatar: AvatarMedia): string => `${stemOf(avatar)}.picture`;

/** The media key of an avatar's preview. */
export const previewKey = (avatar: AvatarMedia): string => `${stemOf(avatar)}.preview.jpg`;

/** The media keys of an avatar's picture and preview. */
export const avatarKeys = (avatar: AvatarMedia): string[] => [avatarKey(avatar), previewKey(avatar)];
