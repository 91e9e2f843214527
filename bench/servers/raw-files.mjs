// The limit of serving files: bare node:http, one lookup by primary key, a signature, and the file as a stream.
import { createHmac, timingSafeEqual } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { fromGlobalId, listen, rows } from './data.mjs';

const { FILE, SIGNING_SECRET } = process.env;

async function answer(request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  const text = `photo-view\n${pathname}\n${searchParams.get('expires')}`;
  const signature = createHmac('sha256', SIGNING_SECRET).update(text).digest();
  timingSafeEqual(signature, createHmac('sha256', SIGNING_SECRET).update(text).digest());
  const id = fromGlobalId(/photo_[0-9a-f]{32}/.exec(pathname)[0]);
  const [photo] = await rows('photo', 'SELECT byte_size FROM photos WHERE id = $1', [id]);
  response.writeHead(200, { 'content-type': 'image/jpeg', 'content-length': photo.byte_size });
  createReadStream(FILE).pipe(response);
}

listen(createServer((request, response) => void answer(request, response)));
