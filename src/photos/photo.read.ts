import { columns, computed, connection, type RowsSource, type TypeSource } from '../reads/source';
import type { PhotosArgs } from './photo-list.input';
import type { PhotoEntity } from './photo.entity';
import { photoTable, selectPhoto, selectPhotosOfModel, type PhotoFilter } from './photo.repository';
import type { PhotoService } from './photo.service';
import { problemsOf } from './photo.type';

/** What photos are read from. */
export function photoSource(service: Pick<PhotoService, 'viewUrl'>): TypeSource {
  return {
    type: 'Photo',
    select: selectPhoto,
    fields: {
      ...columns('status', 'filename', 'width', 'height', 'byteSize', 'createdAt'),
      id: { kind: 'id' },
      problems: computed<PhotoEntity, 'problems'>(['problems'], problemsOf),
      url: computed<PhotoEntity, 'id' | 'status'>(['id', 'status'], (photo) => service.viewUrl(photo)),
    },
  };
}

/** `Query.photos`. */
export const photosSource = connection('Photo', photoTable, null, ({ filter }: PhotosArgs): PhotoFilter => ({
  ...filter,
}));

/** `AvatarModel.photos`. */
export const photosOfModelSource: RowsSource = { kind: 'rows', type: 'Photo', select: selectPhotosOfModel };
