/** Where an avatar's picture lies in the media store. */
export const avatarKey = (id: string): string => `avatars/${id}.picture`;

/** Where its preview lies. */
export const previewKey = (id: string): string => `avatars/${id}.preview.jpg`;

/** All that lies there of one avatar. */
export const avatarKeys = (id: string): string[] => [avatarKey(id), previewKey(id)];
