import {
  columns,
  computed,
  computedWith,
  connection,
  type ComputedSource,
  type FieldSource,
  type NodeSource,
} from '../reads/source';
import { avatarFileName, type NamedAvatar } from './avatar-file-name';
import { originFacts } from './avatar-origin.repository';
import { provenanceOf, type AvatarOrigin, type ProvenanceColumns } from './avatar-provenance';
import { thumbhashOf, type ThumbhashColumns } from './avatar-thumbhash';
import type { AvatarUrls } from './avatar-urls';
import type { AvatarSize, ImageFormat } from './avatar-variant';
import type { AvatarEntity } from './avatar.entity';
import { avatarTable, selectAvatar, selectNewestAvatarOfModel, type AvatarFilter } from './avatar.repository';
import { decodedAvatars, type AvatarsArgs } from './generation-list.input';
import { generationsOfModel } from './generation.read';

/** What avatars are read from. */
export function avatarSource(urls: Pick<AvatarUrls, 'view' | 'download'>): NodeSource {
  return {
    type: 'Avatar',
    select: selectAvatar,
    returned: avatarTable,
    fields: {
      ...columns('style', 'prompt', 'placeholder', 'width', 'height'),
      ...columns('byteSize', 'contentType', 'sha256', 'favorite', 'createdAt'),
      id: { kind: 'id' },
      url: urlSource((id, size, format) => urls.view(id, size, format)),
      downloadUrl: urlSource((id, size, format) => urls.download(id, size, format)),
      thumbhash: computed<AvatarEntity, ThumbhashColumns>(
        ['thumbhash', 'placeholder', 'width', 'height'],
        (avatar) => thumbhashOf(avatar),
      ),
      provenance: computedWith<AvatarOrigin, AvatarEntity, keyof ProvenanceColumns>(
        originFacts,
        ['prompt', 'style', 'hasContentCredentials', 'createdAt'],
        (row) => provenanceOf(row, row),
      ),
      filename: computed<AvatarEntity, keyof NamedAvatar>(
        ['style', 'prompt', 'contentType', 'position'],
        (avatar) => avatarFileName(avatar),
      ),
      generation: { kind: 'reference', type: 'Generation', key: 'generationId' },
      model: { kind: 'reference', type: 'AvatarModel', key: 'modelId' },
    },
  };
}

function urlSource(urlOf: AvatarUrls['view']): ComputedSource {
  return computed<AvatarEntity, 'id'>(['id'], ({ id }, { size, format }) =>
    urlOf(id, size as AvatarSize, (format ?? null) as ImageFormat | null),
  );
}

const filterOf = ({ filter }: AvatarsArgs): AvatarFilter => decodedAvatars(filter);

/** `Query.avatars`. */
export const avatarsSource = connection('Avatar', avatarTable, null, filterOf);

/** The fields of `AvatarModel` that are here because models do not import generations. */
export const modelFields: Readonly<Record<string, FieldSource>> = {
  generations: generationsOfModel,
  avatars: connection('Avatar', avatarTable, 'model_id', filterOf),
  cover: { kind: 'rows', type: 'Avatar', select: selectNewestAvatarOfModel },
};
