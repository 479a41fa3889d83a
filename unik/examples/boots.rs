//! Counts how often it was started, on a disk.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

use unik::disk::{Disk, DiskError, SECTOR};

#[unik::main]
async fn main(disk: Disk) -> Result<(), DiskError> {
    let block_size = disk.properties().block_size;
    let mut block = [0; 8 * SECTOR];
    let block = block.get_mut(..block_size).ok_or(DiskError::Unsupported)?;
    disk.read(0, block).await?;
    if let Some(count) = block.first_chunk_mut() {
        let boots = u64::from_le_bytes(*count).wrapping_add(1);
        *count = boots.to_le_bytes();
        disk.write(0, block).await?;
        disk.flush().await?;
        unik::log::info!("boot {boots}");
    }
    Ok(())
}
