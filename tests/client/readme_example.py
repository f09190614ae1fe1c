import asyncio
import aioglacier


async def main() -> None:
    async with aioglacier.connect(endpoint_url="local:depot") as glacier:  # or region_name="eu-west-1"
        vault = await glacier.create_vault("photos")
        async with vault.open_writer(description="november, raw") as writer:
            for number in range(100):
                await writer.write(b"frame %d" % number * 20_000)  # waits while memory is full
        archive = writer.archive  # complete, its tree hash agreed with the service
        job = await vault.retrieve(archive.id, tier="Bulk")
        await job.wait_until_done()  # hours at AWS, at once here
        await job.download("november.raw", overwrite=True)  # verified, then renamed into place
        print(archive.id, archive.size, archive.tree_hash.hex())


asyncio.run(main())
