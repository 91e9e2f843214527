import {
  columns,
  computed,
  connection,
  type FactScope,
  type RowsSource,
  type NodeSource,
} from '../reads/source';
import { keptPhotos, keptPhotosOfModel, photosPurgedAt } from './job-photo.repository';
import type { PhotosArgs } from './photo-list.input';
import type { PhotoEntity } from './photo.entity';
import { photoTable, selectPhoto, selectPhotosOfModel, type PhotoFilter } from './photo.repository';
import type { PhotoService } from './photo.service';
import { problemsOf } from './photo.type';

/** What photos are read from. */
export function photoSource(service: Pick<PhotoService, 'viewUrl'>): NodeSource {
  return {
    type: 'Photo',
    select: selectPhoto,
    fields: {
      ...columns('status', 'filename', 'width', 'height', 'byteSize', 'createdAt'),
      originalWidth: { kind: 'column', property: 'width' },
      originalHeight: { kind: 'column', property: 'height' },
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

/** SQL: the number of photos of a model that are kept, so that it can be trained again. */
export function keptOfModel({ column, owner }: FactScope): string {
  return keptPhotosOfModel(column('id'), owner);
}

/** SQL: when the first photo of a model was or will be purged. */
export function photosPurgedAtOfModel({ column, owner }: FactScope): string {
  return photosPurgedAt(column('id'), owner);
}

/** SQL: the number of kept photos of a generation without training. */
export function keptOfGeneration({ column, owner }: FactScope): string {
  return keptPhotos(column('photo_id'), owner);
}
