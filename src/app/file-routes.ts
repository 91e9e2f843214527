import { notFound } from '../core/errors';
import type { AvatarUse } from '../generations/avatar-urls';
import { generatedFileRoute } from '../http/files/generated-file-route';
import { mediaRoute, type MediaFile } from '../http/files/media-route';
import { uploadRoute } from '../http/files/upload-route';
import type { Route } from '../http/router';
import type { Services } from './services';

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Avatars are immutable; their URLs are valid for at least one hour. */
const avatarCaching = 'private, max-age=3600, immutable';
/** The pictures of styles change only with the version of the gateway. */
const styleCaching = 'public, max-age=86400';
/** Photos can be deleted at any time and must not remain in caches. */
const noCaching = 'private, no-store';

/** Routes for photo uploads, photo fetches of the upstream, downloads of images and archives. Only pictures of styles are public. */
export function fileRoutes({
  avatarMedia,
  downloads,
  exports,
  photos,
  jobPhotos,
  styleExamples,
  uploads,
}: Services): Route[] {
  return [
    uploadRoute(async ({ photoId, query, byteSize, bytes }) => {
      const { created, photo } = await uploads.receiveUpload(photoId, query, bytes, byteSize ?? undefined);
      return { status: created ? 201 : 200, photo };
    }),
    ...avatarRoutes(avatarMedia),
    mediaRoute('/media/styles/:file', async ({ params }) => {
      const example = await styleExamples.find(params.file!);
      return { ...example, contentType: 'image/jpeg', fileName: params.file!, cacheControl: styleCaching };
    }),
    mediaRoute('/media/photos/:file', ({ params, query }) => {
      const id = params.file!.replace(/\.jpg$/, '');
      return photoFile(id, (range) => photos.openForViewer(id, query, range));
    }),
    mediaRoute('/upstream/photos/:job/:attempt/:file', ({ params, query }) => {
      const { photoId, ...call } = paidCallIn(params);
      return photoFile(photoId, (range) => jobPhotos.openForUpstream(photoId, call, query, range));
    }),
    generatedFileRoute('/exports/:id', ({ params, query }, send) =>
      exports.serve(params.id!, query, (archive) => send({ contentType: 'application/zip', ...archive })),
    ),
    generatedFileRoute('/downloads/:id', ({ params, query }, send) =>
      downloads.serve(params.id!, query, (archive) => send({ contentType: 'application/zip', ...archive })),
    ),
  ];
}

function avatarRoutes(avatarMedia: Services['avatarMedia']): Route[] {
  const route = (path: string, use: AvatarUse): Route =>
    mediaRoute(path, async ({ params, query }) => {
      const avatar = await avatarMedia.show(params.id!, params.variant!, use, query);
      return { ...avatar, cacheControl: avatarCaching };
    });
  return [
    route('/media/avatars/:id/:variant', 'view'),
    route('/media/avatars/:id/:variant/download', 'download'),
  ];
}

function photoFile(id: string, open: MediaFile['open']): MediaFile {
  return { contentType: 'image/jpeg', etag: `"${id}"`, fileName: `${id}.jpg`, cacheControl: noCaching, open };
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
