import { loadableUrl } from './urls';

/** Saves what is at a URL; the server names the file. */
export function startDownload(url: string): void {
  const link = document.createElement('a');
  link.href = loadableUrl(url);
  link.download = '';
  document.body.append(link);
  link.click();
  link.remove();
}
