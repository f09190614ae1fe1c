// Archives a file in one request and in parts, takes inventory, retrieves, and cleans up; what it saw is
// printed as JSON. The SDK finds endpoint, region and keys in the environment, as in any program of its users.
//
//   node archive.js FILE TREE_HASH

import { createReadStream, readFileSync } from "node:fs";
import * as sdk from "@aws-sdk/client-glacier";

const [path, treeHash] = process.argv.slice(2);
const glacier = new sdk.GlacierClient({});
const send = (name, input = {}) => glacier.send(new sdk[`${name}Command`](input));
const vaultName = "photos";
const MIB = 1024 * 1024;
const seen = {};

await send("CreateVault", { accountId: "-", vaultName });
await sdk.waitUntilVaultExists({ client: glacier, maxWaitTime: 10 }, { accountId: "-", vaultName });

const data = readFileSync(path);
seen.whole = await send("UploadArchive", { vaultName, archiveDescription: "whole, in memory", body: data });
seen.stream = await send("UploadArchive", {
  vaultName,
  archiveDescription: "whole, from disk",
  body: createReadStream(path),
});

const { uploadId } = await send("InitiateMultipartUpload", {
  vaultName,
  archiveDescription: "in parts",
  partSize: String(2 * MIB),
});
const parts = [];
for (let start = 0; start < data.length; start += 2 * MIB) {
  const body = data.subarray(start, start + 2 * MIB);
  const range = `bytes ${start}-${start + body.length - 1}/*`;
  parts.push(send("UploadMultipartPart", { vaultName, uploadId, range, body }));
}
seen.partChecksums = (await Promise.all(parts)).map((part) => part.checksum);
seen.listed = [];
for await (const page of sdk.paginateListParts({ client: glacier, pageSize: 1 }, { accountId: "-", vaultName, uploadId })) {
  seen.listed.push(...page.Parts);
}
seen.parts = await send("CompleteMultipartUpload", {
  vaultName,
  uploadId,
  archiveSize: String(data.length),
  checksum: treeHash,
});

const job = async (jobParameters) => (await send("InitiateJob", { vaultName, jobParameters })).jobId;
const output = async (jobId, range) => {
  const answer = await send("GetJobOutput", { vaultName, jobId, range });
  return { ...answer, body: Buffer.from(await answer.body.transformToByteArray()) };
};
const retrieval = await job({ Type: "archive-retrieval", ArchiveId: seen.parts.archiveId, Tier: "Bulk" });
seen.job = await send("DescribeJob", { vaultName, jobId: retrieval });
const back = await output(retrieval);
seen.same = back.body.equals(data);
seen.checksum = back.checksum;
const piece = await output(retrieval, `bytes=0-${4 * MIB - 1}`);
seen.piece = { status: piece.status, checksum: piece.checksum, same: piece.body.equals(data.subarray(0, 4 * MIB)) };
const inventory = await output(await job({ Type: "inventory-retrieval" }));
seen.inventory = JSON.parse(inventory.body.toString());

await send("AddTagsToVault", { vaultName, Tags: { colour: "blue" } });
seen.tags = (await send("ListTagsForVault", { vaultName })).Tags;
try {
  await send("GetVaultNotifications", { vaultName });
} catch (error) {
  seen.error = {
    isTheirs: error instanceof sdk.ResourceNotFoundException,
    name: error.name,
    message: error.message,
    status: error.$metadata.httpStatusCode,
  };
}
await send("DeleteArchive", { vaultName, archiveId: seen.stream.archiveId });
console.log(JSON.stringify(seen));
