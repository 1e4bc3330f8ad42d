/**
 * A PDF with one line of text a page, written by hand; encrypted ones (RC4 with 40 bits, the oldest of the standard's ciphers, which every reader
 * knows) open with a password.
 */
import { createHash } from "node:crypto";

export const PDF_PASSWORD = "open sesame";

/** @param pages ASCII, without parentheses */
export function makePdf(pages: readonly string[], options: { encrypted?: boolean } = {}): Uint8Array {
  const cipher = options.encrypted ? standardSecurity(PDF_PASSWORD) : undefined;
  const objects: string[] = [];
  const kids = pages.map((_, index) => `${4 + 2 * index} 0 R`).join(" ");
  objects.push("<< /Type /Catalog /Pages 2 0 R >>");
  objects.push(`<< /Type /Pages /Kids [${kids}] /Count ${pages.length} >>`);
  objects.push("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
  for (const [index, text] of pages.entries()) {
    const plain = Buffer.from(`BT /F1 12 Tf 72 720 Td (${text}) Tj ET`, "latin1");
    const content = (cipher?.encrypt(5 + 2 * index, plain) ?? plain).toString("latin1");
    objects.push(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents ${5 + 2 * index} 0 R /Resources << /Font << /F1 3 0 R >> >> >>`,
    );
    objects.push(`<< /Length ${content.length} >>\nstream\n${content}\nendstream`);
  }
  if (cipher) objects.push(cipher.dictionary);
  let file = "%PDF-1.4\n";
  const offsets = objects.map((object, index) => {
    const offset = file.length;
    file += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return offset;
  });
  const start = file.length;
  file += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("")}`;
  const encrypt = cipher ? ` /Encrypt ${objects.length} 0 R /ID [<${cipher.id}> <${cipher.id}>]` : "";
  file += `trailer\n<< /Size ${objects.length + 1} /Root 1 0 R${encrypt} >>\nstartxref\n${start}\n%%EOF\n`;
  return new Uint8Array(Buffer.from(file, "latin1"));
}

/** What fills passwords up to 32 bytes: PDF Reference 1.4, algorithm 3.2. */
const PADDING = Buffer.from("28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a", "hex");

/** The standard security handler, revision 2, with one password for owner and user: PDF Reference 1.4, algorithms 3.1 to 3.4. */
function standardSecurity(password: string) {
  const permissions = -4;
  const id = Buffer.alloc(16, 0xcd);
  const padded = Buffer.concat([Buffer.from(password, "latin1"), PADDING]).subarray(0, 32);
  const owner = rc4(md5(padded).subarray(0, 5), padded);
  const permissionBytes = Buffer.alloc(4);
  permissionBytes.writeInt32LE(permissions);
  const key = md5(padded, owner, permissionBytes, id).subarray(0, 5);
  const user = rc4(key, PADDING);
  const keyOf = (object: number) => md5(key, Buffer.of(object & 255, (object >> 8) & 255, object >> 16, 0, 0)).subarray(0, 10);
  return {
    id: id.toString("hex"),
    dictionary: `<< /Filter /Standard /V 1 /R 2 /O <${owner.toString("hex")}> /U <${user.toString("hex")}> /P ${permissions} >>`,
    encrypt: (object: number, bytes: Uint8Array) => rc4(keyOf(object), bytes),
  };
}

function md5(...parts: readonly Uint8Array[]): Buffer {
  return createHash("md5").update(Buffer.concat(parts)).digest();
}

/** Written out, because OpenSSL 3 has put it away. */
function rc4(key: Uint8Array, bytes: Uint8Array): Buffer {
  const state = Uint8Array.from({ length: 256 }, (_, index) => index);
  const swap = (a: number, b: number) => ([state[a], state[b]] = [state[b]!, state[a]!]);
  for (let i = 0, j = 0; i < 256; i++) {
    j = (j + state[i]! + key[i % key.length]!) & 255;
    swap(i, j);
  }
  let [i, j] = [0, 0];
  return Buffer.from(bytes).map((byte) => {
    i = (i + 1) & 255;
    j = (j + state[i]!) & 255;
    swap(i, j);
    return byte ^ state[(state[i]! + state[j]!) & 255]!;
  }) as Buffer;
}
