"""A local Glacier as a pytest fixture, for tests of software that uses Glacier.

**The fixtures** are there wherever aioglacier and pytest are installed; nothing has to be imported or
configured. ``local_glacier`` is a running local Glacier, empty, in a folder that goes with the test. It runs
in a thread with an event loop of its own, so any client in any style of test may use it::

    def test_backup(local_glacier):
        client = boto3.client("glacier", **local_glacier.client_arguments)
        client.create_vault(vaultName="photos")
        job_id = start_retrieval(client)  # the code that is tested
        local_glacier.advance(5 * 3600)  # jobs take hours, but not yours
        assert client.describe_job(vaultName="photos", jobId=job_id)["Completed"]

``glacier`` is an ``aioglacier.Glacier`` connected to it, for async tests under anyio's plug-in or under
pytest-asyncio::

    async def test_backup(glacier, local_glacier):
        vault = await glacier.create_vault("photos")

``local_glacier`` is a ``ServedGlacier``: it moves its clock, takes inventories, lets things go wrong and
shows what is there.

It is as slow as the service on that clock: a Standard job takes four hours, an inventory a day. A marker or
the fixture ``local_glacier_options``, overridden in a conftest.py or a test module, tells it otherwise; both
take the arguments of ``aioglacier.server.LocalGlacier``::

    @pytest.mark.local_glacier(job_delay=0, inventory_lag=0)
    def test_quickly(local_glacier): ...

**Without pytest**, ``serving(LocalGlacier(...))`` is the same as a ``with`` block.
"""

from aioglacier.testing.served import ServedGlacier, serving

__all__ = ["ServedGlacier", "serving"]
