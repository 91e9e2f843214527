import type { AvatarEntity } from './avatar.entity';

/** The maximum length of the words in a file name, in characters; at most four bytes each. */
const maxWordsLength = 50;

/** What a file name is made of. */
export type NamedAvatar = Pick<AvatarEntity, 'style' | 'prompt' | 'contentType' | 'position'>;

/** The extension of the files of a media type, without the dot. */
export function extensionOf(contentType: string | null): string {
  return contentType?.replace('image/', '').replace('jpeg', 'jpg') ?? 'jpg';
}

/**
 * The name of an avatar's file, for example `watercolor-at-the-sea-3.jpg`: letters and digits of its style and prompt in
 * lower case, joined by hyphens.
 * @param number - distinguishes the files of a folder
 */
export function avatarFileName(
  { style, prompt, contentType, position }: NamedAvatar,
  number = position + 1,
): string {
  const words =
    `${style} ${prompt ?? ''}`
      .normalize('NFC')
      .toLowerCase()
      .match(/[\p{L}\p{N}][\p{L}\p{M}\p{N}]*/gu) ?? [];
  const stem = [...words.join('-')].slice(0, maxWordsLength).join('').replace(/-$/, '');
  return `${stem === '' ? 'avatar' : stem}-${number}.${extensionOf(contentType)}`;
}
