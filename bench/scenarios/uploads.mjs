import { compare } from '../lib/compare.mjs';
import { ownersOf, requestOf } from '../lib/requests.mjs';
import { startPeer, startProduct, withJwt } from '../lib/servers.mjs';

const files = [{ filename: 'photo.jpg', contentType: 'image/jpeg', byteSize: 100_000 }];

/** Removes ids, signatures and times, which differ between two calls. */
const normalise = (text) =>
  text
    .replace(/photo_[0-9a-f]{32}/g, 'photo')
    .replace(/expires=\d+&signature=[\w-]{43}/g, 'signed')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'time');

export const uploads = {
  name: 'uploads',
  title: 'createPhotoUploads with one file, compared with the same statements by node:http and pg',
  isQuick: true,
  run: async (bench) => {
    // An owner has at most 1,000 unused photos, so the requests come from many owners.
    const { owners } = ownersOf(bench.options.owners);
    const requests = owners.map((owner) => requestOf('Upload', { input: { files } }, owner));
    const servers = [
      await startPeer(bench, 'raw'),
      await startProduct(bench, { ...withJwt, LOG_LEVEL: 'warn' }),
    ];
    const beforeEach = () => bench.database.rows(`DELETE FROM photos WHERE status = 'AWAITING_UPLOAD'`);
    return compare(bench, servers, { requests, normalise, beforeEach });
  },
};
