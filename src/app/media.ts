import { DomainError, notFound } from '../core/errors';
import type { AvatarSize } from '../generations/avatar.service';
import { downloadRoute, mediaRoute, uploadRoute, type MediaFile } from '../http/file-routes';
import type { Route } from '../http/router';
import type { Features } from './features';

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Avatars are immutable; their URLs are valid for at least one hour. */
const avatarCaching = 'private, max-age=3600, immutable';
/** Photos can be deleted at any time and must not remain in caches. */
const noCaching = 'private, no-store';

/** Routes for photo uploads, photo fetches of the upstream, image downloads and exports. */
export function mediaRoutes({ avatars, exports, photos, jobPhotos, uploads }: Features): Route[] {
  return [
    uploadRoute(async ({ photoId, query, byteSize, bytes }) => {
      const { created, photo } = await uploads.receiveUpload(photoId, query, bytes, byteSize ?? undefined);
      return { status: created ? 201 : 200, photo };
    }),
    mediaRoute('/media/avatars/:id/:size', async ({ params, query }) => {
      const { filename, ...avatar } = await avatars.show(params.id!, sizeOf(params.size!), query);
      return { ...avatar, fileName: filename, cacheControl: avatarCaching };
    }),
    mediaRoute('/media/photos/:file', ({ params, query }) => {
      const id = params.file!.replace(/\.jpg$/, '');
      return photoFile(id, (range) => photos.openForViewer(id, query, range));
    }),
    mediaRoute('/upstream/photos/:job/:attempt/:file', ({ params, query }) => {
      const { photoId, ...call } = paidCallIn(params);
      return photoFile(photoId, (range) => jobPhotos.openForUpstream(photoId, call, query, range));
    }),
    downloadRoute('/exports/:id', ({ params, query }, send) =>
      exports.serve(params.id!, query, (archive) => send({ contentType: 'application/zip', ...archive })),
    ),
  ];
}

function photoFile(id: string, open: MediaFile['open']): MediaFile {
  return { contentType: 'image/jpeg', etag: `"${id}"`, fileName: `${id}.jpg`, cacheControl: noCaching, open };
}

function sizeOf(size: string): AvatarSize {
  if (size === 'original') return 'ORIGINAL';
  if (size === 'preview') return 'PREVIEW';
  throw new DomainError('NOT_FOUND', 'The image sizes are original and preview.');
}

function paidCallIn(params: Readonly<Record<string, string>>): {
  jobId: string;
  attempt: number;
  photoId: string;
} {
  const [jobId, photoId, attempt] = [params.job!, params.file!.replace(/\.jpg$/, ''), params.attempt!];
  if (!uuid.test(jobId) || !uuid.test(photoId) || !/^\d{1,9}$/.test(attempt)) throw notFound('photo');
  return { jobId, attempt: Number(attempt), photoId };
}
