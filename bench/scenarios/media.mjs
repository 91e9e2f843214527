import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { measureRounds, post } from '../lib/compare.mjs';
import { makeJpeg } from '../lib/pictures.mjs';
import { ask, cpuMs, withChild } from '../lib/processes.mjs';
import { median } from '../lib/report.mjs';
import { requestOf } from '../lib/requests.mjs';
import { plain, startPeer, startProduct } from '../lib/servers.mjs';

const photosPerRound = 60;
const simultaneous = 8;

export const photos = {
  name: 'photos',
  title: `Photos of 12 megapixels, ${simultaneous} uploads at a time; beside it, the image library alone`,
  run: async (bench) => {
    const photo = await makeJpeg(4000, 3000);
    const server = await startProduct(bench, plain);
    const samples = [];
    await withChild('lib/pictures.mjs', async (child) => {
      const decode = { type: 'decode', base64: photo.toString('base64'), count: photosPerRound };
      await ask(child, { ...decode, count: 4 });
      await uploadAll(server, photo, 4);
      for (let round = 0; round < bench.options.rounds; round += 1) {
        const { perSecond: alone } = await ask(child, decode);
        await ask(server.child, { type: 'startDelays' });
        const [startedAt, cpu] = [Date.now(), cpuMs(server.pid)];
        await uploadAll(server, photo, photosPerRound);
        const perSecond = (photosPerRound / (Date.now() - startedAt)) * 1000;
        const ms = (cpuMs(server.pid) - cpu) / photosPerRound;
        const { p99 } = await ask(server.child, { type: 'delays' });
        samples.push({ perSecond, alone, ratio: perSecond / alone, ms, p99 });
      }
    });
    const of = (name) => median(samples.map((sample) => sample[name]));
    const row = {
      MB: photo.length / 1e6,
      'photos/s': of('perSecond'),
      'library alone/s': of('alone'),
      'x alone': of('ratio'),
      'server ms each': of('ms'),
      'event loop p99 ms': of('p99'),
    };
    return { rows: [row], samples };
  },
};

export const media = {
  name: 'media',
  title: 'GET of a stored photo of 512 × 512 pixels, compared with node:http, one lookup and a stream',
  run: async (bench) => {
    const server = await startProduct(bench, plain);
    const [url] = await uploadAll(server, await makeJpeg(2000, 1500), 1);
    const { pathname, search } = new URL(url);
    const requests = [{ path: pathname + search }];
    const file = join(bench.folder, 'photo.jpg');
    writeFileSync(file, Buffer.from(await (await fetch(server.url + requests[0].path)).arrayBuffer()));
    const raw = await startPeer(bench, 'raw-files', { FILE: file });
    const targets = [raw, server].map((each) => ({ id: each.id, server: each, requests }));
    return measureRounds(bench, targets);
  },
};

/** Uploads copies of a photo. @returns their URLs */
async function uploadAll(server, photo, count) {
  let left = count;
  const urls = [];
  const work = async () => {
    while (left-- > 0) urls.push(await upload(server, photo));
  };
  await Promise.all(Array.from({ length: simultaneous }, work));
  return urls;
}

async function upload(server, photo) {
  const files = [{ filename: 'photo.jpg', contentType: 'image/jpeg', byteSize: photo.length }];
  const created = JSON.parse(await post(server, requestOf('Upload', { input: { files } })));
  const [
    {
      uploadUrl,
      photo: { id },
    },
  ] = created.data.createPhotoUploads.uploads;
  const { pathname, search } = new URL(uploadUrl);
  const headers = { 'content-type': 'image/jpeg' };
  const answer = await fetch(server.url + pathname + search, { method: 'PUT', body: photo, headers });
  if (!answer.ok) throw new Error(`An upload was answered with ${answer.status}: ${await answer.text()}`);
  return JSON.parse(await post(server, requestOf('Photo', { id }))).data.photo.url;
}
