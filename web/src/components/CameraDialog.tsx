import { useEffect, useRef, useState } from 'react';
import { Dialog } from './Dialog';

export interface CameraDialogProps {
  readonly onPhoto: (file: File) => void;
  readonly onClose: () => void;
}

/** Takes photos with the camera of the device, one after the other. */
export function CameraDialog({ onPhoto, onClose }: CameraDialogProps): React.JSX.Element {
  const video = useRef<HTMLVideoElement>(null);
  const lastNumber = useRef(0);
  const [count, setCount] = useState(0);
  const [isReady, setReady] = useState(false);
  const [refusal, setRefusal] = useState<string | null>(null);

  useEffect(() => {
    let stream: MediaStream | null = null;
    let isClosed = false;
    const stop = (): void => stream?.getTracks().forEach((track) => track.stop());
    const start = async (): Promise<void> => {
      try {
        stream = await openCamera();
        if (isClosed) {
          stop();
          return;
        }
        video.current!.srcObject = stream;
      } catch {
        setRefusal('The camera cannot be used. Permit it in the browser, or choose photos instead.');
      }
    };
    void start();
    return () => {
      isClosed = true;
      stop();
    };
  }, []);

  const take = async (): Promise<void> => {
    const number = ++lastNumber.current;
    const file = await pictureOf(video.current!, number);
    onPhoto(file);
    setCount((before) => before + 1);
  };

  return (
    <Dialog label="Take photos" className="camera-dialog" onClose={onClose}>
      <h2>Take photos</h2>
      {refusal === null ? (
        <video
          ref={video}
          autoPlay
          muted
          playsInline
          aria-label="Camera"
          onLoadedData={() => setReady(true)}
        />
      ) : (
        <p role="alert">{refusal}</p>
      )}
      <p role="status" className="muted">
        {statusText(refusal !== null, isReady, count)}
      </p>
      <div className="row end">
        <button type="button" className="button" onClick={onClose}>
          Done
        </button>
        {refusal === null && (
          <button
            type="button"
            className="button primary"
            aria-disabled={!isReady}
            onClick={() => void (isReady && take())}
          >
            Take a photo
          </button>
        )}
      </div>
    </Dialog>
  );
}

function statusText(isRefused: boolean, isReady: boolean, count: number): string {
  if (count > 0) return `${count} taken. Turn the head a little for the next one.`;
  if (isRefused) return '';
  return isReady ? 'Look into the camera, then from other sides.' : 'Starting the camera …';
}

/** Pages without HTTPS have no `mediaDevices`. */
function openCamera(): Promise<MediaStream> {
  const { mediaDevices } = navigator as { mediaDevices?: MediaDevices };
  if (!mediaDevices) return Promise.reject(new Error('No camera'));
  return mediaDevices.getUserMedia({ video: { facingMode: 'user', width: 1280, height: 1280 } });
}

/** What the camera shows, as others see it: the video on the page is mirrored. */
async function pictureOf(video: HTMLVideoElement, number: number): Promise<File> {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  canvas.getContext('2d')!.drawImage(video, 0, 0);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', 0.92));
  return new File([blob!], `camera-${number}.jpg`, { type: 'image/jpeg', lastModified: Date.now() });
}
